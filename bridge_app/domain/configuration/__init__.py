"""Configuration at run time: what Consul may set, and what follows from it. Pure: no I/O, no clock.

keys          the settings that may change while the bridge runs
values        how the text of a value is read
tree          what Consul holds below one path, read key by key
precedence    which of the sources counts
changes       what a new reading changes
notes         who changed a value over HTTP, and why
events        what is published of it
requests      the body of `PUT /admin/config`, and the transaction that it becomes
report        what `GET /admin/config` shows
live          the settings in force, for everybody who uses one
"""
