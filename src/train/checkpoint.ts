/**
 * Checkpoints of a run: the state of the phase that is under way, and the results of those that are done. A run that was killed goes on from
 * the last one and, on the CPU, ends with the same bits.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { CheckpointError, type FloatTensor, messageOf, type ParameterTree } from '../base/index.ts';
import { floatTensors, readSafetensors, writeFileAtomically, writeSafetensors } from '../model/index.ts';
import { MOMENT_PREFIX } from './adamw.ts';
import type { TrainState } from './step.ts';

/** A point of a learning curve. */
export interface CurvePoint {
  readonly step: number;
  readonly values: Readonly<Record<string, number>>;
}

/** A learning curve that is being drawn: its points, and what has been summed up for the next one. */
export interface CurveState {
  readonly points: readonly CurvePoint[];
  readonly sums: Readonly<Record<string, number>>;
  readonly count: number;
}

/** A phase under way. */
export interface Checkpoint {
  readonly state: TrainState;
  /** Steps that are done. */
  readonly done: number;
  readonly curve: CurveState;
}

/** The result of a phase. */
export interface Finished {
  readonly parameters: ParameterTree;
  readonly curve: readonly CurvePoint[];
}

/** The checkpoints of one run, in a folder of their own; the fingerprint says which recipe and data they belong to. */
export class RunFolder {
  readonly path: string;
  private readonly fingerprint: string;

  constructor(path: string, fingerprint: string) {
    this.path = path;
    this.fingerprint = fingerprint;
  }

  async finished(phase: string): Promise<Finished | undefined> {
    const found = await this.read(this.fileOf(phase, 'done'));
    return found && { parameters: found.tensors, curve: found.curve.points };
  }

  async checkpoint(phase: string): Promise<Checkpoint | undefined> {
    const found = await this.read(this.fileOf(phase, 'checkpoint'));
    return found && { state: split(found.tensors), done: found.done, curve: found.curve };
  }

  async saveCheckpoint(phase: string, { state, done, curve }: Checkpoint): Promise<void> {
    await this.write(this.fileOf(phase, 'checkpoint'), joined(state), done, curve);
  }

  /** Keeps the result of a phase; its checkpoint is no longer needed. */
  async saveFinished(phase: string, { parameters, curve }: Finished): Promise<void> {
    await this.write(this.fileOf(phase, 'done'), parameters, 0, { points: curve, sums: {}, count: 0 });
    await rm(this.fileOf(phase, 'checkpoint'), { force: true });
  }

  /** What `make` gives, kept as JSON: asked again, also by a later run, it is read. */
  async remembered<T>(name: string, make: () => Promise<T>): Promise<T> {
    const file = this.noteFile(name);
    if (existsSync(file)) return this.noteIn(file);
    const value = await make();
    await this.note(name, value);
    return value;
  }

  /** Keeps a value as JSON, in place of an earlier one of that name. */
  async note(name: string, value: unknown): Promise<void> {
    await this.prepare();
    await writeFileAtomically(this.noteFile(name), JSON.stringify({ fingerprint: this.fingerprint, value }));
  }

  /** What was kept as JSON under a name; nothing where that never was. */
  async noted<T>(name: string): Promise<T | undefined> {
    const file = this.noteFile(name);
    return existsSync(file) ? this.noteIn(file) : undefined;
  }

  private async noteIn<T>(file: string): Promise<T> {
    const note = noteOf<T>(await readFile(file, 'utf8'), file);
    if (note.fingerprint !== this.fingerprint) throw this.foreign(file);
    return note.value;
  }

  /** Removes what runs leave here; the folder too, if nothing else is in it. */
  async remove(): Promise<void> {
    if (!existsSync(this.path)) return;
    const entries = await readdir(this.path);
    const own = entries.filter((entry) => /\.((done|checkpoint)\.safetensors|note\.json)/.test(entry));
    for (const entry of own) await rm(join(this.path, entry), { force: true });
    if (own.length === entries.length) await rmdir(this.path);
  }

  /** Removes it unless something was trained: notes alone would only be in the way of another recipe. */
  async removeUntrained(): Promise<void> {
    const entries = existsSync(this.path) ? await readdir(this.path) : [];
    if (!entries.some((entry) => entry.endsWith('.safetensors'))) await this.remove();
  }

  /** Makes the folder. To be asked before the work: a place that cannot be written is better known early. */
  async prepare(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true });
    } catch (cause) {
      throw new CheckpointError(this.path, { expected: 'a folder for checkpoints', got: messageOf(cause), cause });
    }
  }

  private foreign(file: string): CheckpointError {
    return new CheckpointError(file, {
      expected: 'a checkpoint of this very run',
      got: 'one of another recipe, seed, data or version',
      hint: `Remove ${this.path} to start afresh, or choose another output folder.`,
    });
  }

  private noteFile(name: string): string {
    return join(this.path, `${name}.note.json`);
  }

  private fileOf(phase: string, kind: 'done' | 'checkpoint'): string {
    return join(this.path, `${phase}.${kind}.safetensors`);
  }

  private async write(file: string, tensors: ParameterTree, done: number, curve: CurveState): Promise<void> {
    await this.prepare();
    await writeSafetensors(file, tensors, {
      fingerprint: this.fingerprint,
      done: String(done),
      curve: JSON.stringify(curve),
    });
  }

  private async read(file: string): Promise<{ tensors: ParameterTree; done: number; curve: CurveState } | undefined> {
    if (!existsSync(file)) return undefined;
    const { tensors, metadata } = await readSafetensors(file);
    if (metadata.fingerprint !== this.fingerprint) throw this.foreign(file);
    return { tensors: floatTensors(tensors), done: Number(metadata.done), curve: curveIn(metadata.curve, file) };
  }
}

/** A result that is no tensor. */
interface Note<T> {
  readonly fingerprint: string;
  readonly value: T;
}

function noteOf<T>(text: string, file: string): Note<T> {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new CheckpointError(file, { expected: 'a note of this run', got: messageOf(cause), cause });
  }
}

function curveIn(text: string | undefined, file: string): CurveState {
  try {
    return JSON.parse(text ?? '');
  } catch (cause) {
    throw new CheckpointError(file, { expected: 'a learning curve in its header', got: messageOf(cause), cause });
  }
}

const { first: FIRST, second: SECOND } = MOMENT_PREFIX;

function joined({ parameters, first, second }: TrainState): ParameterTree {
  const named = (prefix: string, tree: ParameterTree): [string, FloatTensor][] =>
    Array.from(tree, ([name, tensor]) => [`${prefix}${name}`, tensor]);
  return new Map([...named('', parameters), ...named(FIRST, first), ...named(SECOND, second)]);
}

function split(tensors: ParameterTree): TrainState {
  const under = (prefix: string): ParameterTree =>
    new Map(
      Array.from(tensors).flatMap(([name, tensor]) =>
        name.startsWith(prefix) ? [[name.slice(prefix.length), tensor] as const] : [],
      ),
    );
  const isMoment = (name: string): boolean => name.startsWith(FIRST) || name.startsWith(SECOND);
  return {
    parameters: new Map(Array.from(tensors).filter(([name]) => !isMoment(name))),
    first: under(FIRST),
    second: under(SECOND),
  };
}
