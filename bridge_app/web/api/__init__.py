"""The descriptions of the bridge that machines read, and the page that shows them to people (conventions §5).

    operation   how a view says what it takes and answers: `@describe(Operation(...))` on its method
    answers     the types of the wrapper around every JSON answer
    failures    the answers to what goes wrong, made of the error tree
    health, metrics, breakers, hooks, intelligence, documents
                the operations of a domain's views and the types of their answers
    openapi     GET /openapi.json, made of the router's views
    payloads    the types of what events carry
    messages    the events the bridge sends, with their topics
    asyncapi    GET /asyncapi.json, made of the topic catalogue and the messages
    examples    what the documents show, made by the code that runs

Bodies, parameters, payloads and errors are described by the rules, types and classes that check, build and raise them.
"""
