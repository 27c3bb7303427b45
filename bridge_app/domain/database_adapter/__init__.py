"""The pure part of the database adapter (spec: database-adapter).

records     a Kafka record becomes rows, or is found bad
rows        the rows of event_logs and dead_letters
omission    what is left out of a payload
tables      what a table is, and which of two rows of one key stays
kinds       how the value of a column is read
mapping     from a payload to the columns of a table
routing     which events leave rows in which other tables; those are a module each:
            workflow_executions, workflow_steps (with transitions), metadata_stamps, bridge_states, patterns,
            tool_registrations, experiments, experiment_data
fold        many records become the rows of one transaction
failures    what a SQLSTATE means for the batch
plan        which part of a batch is written next, and how a failing one is halved
letters     a bad record becomes its dead letter
limit       when a topic has too many of them
offsets     how far a batch may be committed
tally       the counters
"""
