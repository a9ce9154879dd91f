/** A run of the program, and the folder under the output that it writes; those that it needs come before it. */
export interface NamedRun {
  readonly name: string;
  /** The command line; `DATA` and `OUT` stand for the two folders. */
  readonly argv: readonly string[];
}

/** The words of a command line. */
export const words = (line: string): readonly string[] => line.split(' ');
