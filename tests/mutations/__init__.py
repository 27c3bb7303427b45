"""`make mutate`: break each rule of delivery on purpose, and see that its test fails.

A test that cannot fail proves nothing. Every `*.patch` here breaks one rule of docs/delivery.md in the smallest way and
names the test that must notice. Its head, before the unified diff:

    Rule:   the rule that is broken
    Loses:  what is lost without it
    Test:   the pytest id of the test that must fail
    Saying: a part of what that failure says, so that it fails for this reason and for no other

For each patch a copy of the tree is made and patched, and the test run in it, on the services of the profile `test`.
Before that all named tests must pass on an unpatched copy. A mutation is caught when its test ran and failed with that
message; an error at import, collection or setup does not count, nor does another failure.

    mutation    a patch and its head
    tree        copies of the tree, patched
    trial       runs tests in a tree; what became of each
    report      the verdicts and their table

`make mutate ARGS="-k fence"` tries those whose names contain a text. A patch that no longer applies fails `make test`:
whoever changes the lines makes the patch anew, with `git diff -U1` from the same break.
"""
