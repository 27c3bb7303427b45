"""The durable outbox: what a worker accepted while Kafka could not take it (resilience §3).

record    how a record lies in a file, and is found again in a damaged one
disk      what the outbox asks of the file system
folder    the files: segments, the reading position, what is set aside
recovery  what a start finds, and puts right
journal   the log over them: append, read, advance; one thread
outbox    the same for the event loop: group commit, limits, what waits
replay    the only sender while records wait

Everything below `outbox` blocks and knows neither Kafka nor the event loop.
"""
