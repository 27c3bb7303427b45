"""The delivery layer over Faust: the only code that knows how Faust loses events, and how not to.

Read in this order:

    batches     a fetched record batch is one Faust event
    books       what was delivered, what is done, what may be committed: one deque per partition
    consumer    hands out batches, keeps the books, gives partitions away in order
    lanes       one task per partition number; what is queued for it is one step
    slices      background work shares the loop with requests
    step_agent  the order inside a step, numbered: the heart
    state_table bulk reads and writes; the changelog is acknowledged before RocksDB is written
    rows        how a value carries the watermarks of what was applied to it
    due         which keys a tick concerns
    bounds      which keys leave when there are too many
    ticks       time comes as events
    alarms      what an operator must hear of
    guard       a topic with too many bad records stops, and loses nothing
    losses      what a topic dropped before it was read is told exactly
    fence       a worker that may have lost a partition writes nothing
    producer    idempotent sends, whole batches, every acknowledgement awaited
    view        every worker tails a topic into memory
    rebalances  they are counted, and recovery is timed
    recovery    the consumer is parked while Faust seeks
    folder      a worker has its data folder for itself
    damage      what RocksDB cannot read is set aside
    store       all RocksDB databases of a process share one cache and one write buffer
    catalogue   topics are created and checked before anything consumes
    pacing      a consumer of many partitions fetches in measured steps
    collector   garbage is looked for rarely: batches have no cycles
    boot        the order of the start: the web server first, the broker when it is there
    stalls      which partitions stand still
    watchdog    a worker that makes no progress is ended
    loop_watch  a thread that asks the event loop for a sign of life
    alarms      what operators must hear of
    process     signals, log levels, and the end that waits for nothing
    app         the Faust application that wires it together

What each override replaces in Faust, and which test proves it: docs/delivery.md.
"""
