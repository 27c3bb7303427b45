"""HTTP: Faust web views over one aiohttp application, one port for all routes (conventions §5).

    assembly    the server with everything below, as the settings have it
    server      the driver: limits, the port, nothing served that is not ours
    middleware  every request passes it: ids in and out, the time limit, every error rendered in one form
    admission   the checks before a view, in the order of the specification
    authentication
                API keys, tokens, signed hooks, and the scopes of routes
    limits      how much is done at once
    context     what is known of a request
    answers     the wrapper {success, data, error, metadata}
    bodies      a JSON body, checked in the order of the specification
    queries     query parameters
    idempotency one effect and one answer per idempotency key
    views       the base of all views
    api         what each view takes and answers, and the documents made of it
    static      the files of the page /docs

Each further module holds the views of one domain and has one `register(app, ...)`, which gets its dependencies.
"""
