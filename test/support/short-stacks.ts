/** Mocha asks for endless stack traces; an error thrown deep in a recursion then costs seconds. */
Error.stackTraceLimit = 50;
