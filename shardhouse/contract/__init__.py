"""The contract: which calls of the DDS API exist, what they accept, when they are lawful, what they
answer. Pure data; routes, OpenAPI, reference pages, commands and tests are derived from it."""
