"""The pure part of the database adapter (spec: database-adapter).

records     a Kafka record becomes rows, or is found bad
rows        the columns of each table
patterns    a pattern event becomes a row of intelligence_patterns
fold        many records become the rows of one transaction
failures    what a SQLSTATE means for the batch
plan        which part of a batch is written next, and how a failing one is halved
letters     a bad record becomes its dead letter
limit       when a topic has too many of them
offsets     how far a batch may be committed
tally       the counters
"""
