"""Write the page of all settings: `python -m bridge_app.settings > docs/configuration.md`, or `make docs`."""

import sys

from bridge_app.settings.page import page

sys.stdout.write(page())
