/** What a command may see of the outside: streams, and the wish to stop. Tests hand in their own. */

export interface Output {
  write(text: string): unknown;
}

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Terminal {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: Output & { readonly isTTY?: boolean };
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean };
  /** Aborted when the user wants to stop. */
  readonly interrupt: AbortSignal;
  /** Variables that options may come from. */
  readonly environment?: Environment;
  /** Calls whenever the process is told to read its files again. */
  onHangUp?(listener: () => void): void;
}
