/** Questions, and their answers on the way: the texts of one question may go through in several passes. */
import type { Entity } from '../infer/index.ts';
import type { AskedText, ModelDescription, PassAnswers } from './served-model.ts';

export interface Question {
  readonly texts: readonly AskedText[];
  readonly tenant: string;
  /** The least accuracy that will do. */
  readonly minAccuracy?: number | undefined;
}

/** The answer to one text. */
export interface TextAnswer {
  readonly model: ModelDescription;
  /** [C], of whole texts. */
  readonly logits?: Float32Array;
  /** Of tokens. */
  readonly entities?: readonly Entity[];
}

/** A level by its number, 0 the most accurate; or the model that answers texts which would go through alone. */
export type AnswerLevel = number | 'alone';

/** Where an answer comes from. */
export interface PassPlace {
  readonly level: AnswerLevel;
  /** Rows of the pass to its slots. */
  readonly fill: number;
}

/** Of a question of several passes: the least accurate level, and the emptiest pass. */
export interface Answer extends PassPlace {
  readonly texts: readonly TextAnswer[];
}

/** An answer that is on its way. */
export interface Asked {
  readonly answer: Promise<Answer>;
  /** Who asked is gone: what still waits is dropped. */
  cancel(): void;
}

/** A question whose answers are coming in. */
export class OpenQuestion {
  readonly number: number;
  readonly answer: Promise<Answer>;
  /** Ends it without an answer. */
  readonly fail: (error: unknown) => void;
  private readonly done: (answer: Answer) => void;
  private readonly texts: TextAnswer[] = [];
  private place: PassPlace | undefined;
  private missing: number;

  constructor(number: number, texts: number) {
    this.number = number;
    this.missing = texts;
    let [resolve, reject]: [(answer: Answer) => void, (error: unknown) => void] = [() => undefined, () => undefined];
    this.answer = new Promise((...settlers) => {
      [resolve, reject] = settlers;
    });
    // Whoever asked may be gone.
    this.answer.catch(() => undefined);
    this.done = resolve;
    this.fail = reject;
  }

  /** Takes the answer to one of its texts; whether it was the last one. */
  take(at: number, answer: TextAnswer, { level, fill }: PassPlace): boolean {
    this.texts[at] = answer;
    this.place = { level: worseOf(this.place?.level ?? level, level), fill: Math.min(this.place?.fill ?? 1, fill) };
    this.missing--;
    if (this.missing > 0) return false;
    this.done({ texts: this.texts, ...this.place });
    return true;
  }
}

function worseOf(a: AnswerLevel, b: AnswerLevel): AnswerLevel {
  if (a === 'alone') return b;
  return b === 'alone' ? a : Math.max(a, b);
}

/** One of the answers of a pass. */
export function textAnswerOf(pass: PassAnswers, at: number, model: ModelDescription): TextAnswer {
  const { logits, entities } = pass;
  const C = model.labels.length;
  return {
    model,
    ...(logits !== undefined && { logits: logits.subarray(at * C, (at + 1) * C) }),
    ...(entities !== undefined && { entities: entities[at] ?? [] }),
  };
}
