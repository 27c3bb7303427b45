"""`make demo`: a small fleet reports to the bridge for half a minute, and the bridge says what it found in that.

fleet      what the fleet reports, round by round
client     posting hooks and reading patterns
findings   what is expected, and how each pattern was recognised, in words
host       the bridge that runs already, or one of its own
"""
