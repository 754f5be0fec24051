// Whether what is shown was recorded earlier, and the run has been further.

/** @type {(header: Pick<Header, 'tape' | 'step'>) => boolean} */
export const rewound = ({ tape, step }) => Boolean(tape) && step < tape.end;
