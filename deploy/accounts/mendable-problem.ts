/** A problem that the person who asked can mend; the message says how, and a stack would only hide it. */
export class MendableProblem extends Error {}
