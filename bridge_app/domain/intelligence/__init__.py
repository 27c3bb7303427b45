"""Patterns in what services report (intelligence.md).

Read in this order:

    observations    stage 1: an event of a service becomes observations, keyed by series or scope
    detectors       stage 2: which detector keeps the state of which key
    start_*         `service_initialization`: each start, at once and once more when it is confirmed or has failed
    cohort_*        `startup_performance`: the services that started in about the same time
    grouping        which services form such a group
    reports         a pattern becomes an event
    seen            an observation is applied once
    measures        the formulas
    patterns        the view of patterns that every worker answers from
    queries         what a client may ask of it
    immediate       the first word on a hook, before the agents have theirs
"""
