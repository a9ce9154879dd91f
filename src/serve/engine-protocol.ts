/** What the engine and its workers say to each other. */
import type { PreciseModel } from '../infer/index.ts';
import type { Placement } from '../runtime/index.ts';
import type { AskedText, ModelDescription, PassAnswers } from './served-model.ts';

export interface OpenRequest {
  /** By level, the most accurate first. */
  readonly models: readonly PreciseModel[];
  readonly placement: Placement;
  /** Longest row, in tokens; otherwise what each model was trained on. */
  readonly maxTokens: number | undefined;
  /** Rows of a full pass; otherwise as many as are worth a pass of the model. */
  readonly rows: number | undefined;
}

export interface PassRequest {
  readonly level: number;
  readonly texts: readonly AskedText[];
  /** How long it should take, as far as that is known. */
  readonly expectedMs?: number;
}

export interface WorkerRequest {
  readonly id: number;
  readonly open?: OpenRequest;
  readonly pass?: PassRequest;
}

/** A model that is open and warm. */
export interface OpenedLevel {
  readonly description: ModelDescription;
  /** Rows of a full pass, about; and how long one of short texts takes, and one of a group of them. */
  readonly rows: number;
  readonly passMs: number;
  readonly groupMs: number;
}

export interface WorkerReply {
  readonly id: number;
  readonly opened?: readonly OpenedLevel[];
  readonly answers?: PassAnswers;
  readonly failure?: string;
}
