"""OmniNode Bridge: sees every lifecycle event, tool call and workflow between services, and keeps the record.

The Faust application is `bridge_app.app:app`; importing this package alone has no effect.
"""

__version__ = "0.1.0"
