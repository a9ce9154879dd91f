/**
 * The service: questions in, answers out. It takes rows from the queue to the engine whenever a worker is free, and gives every answer to whoever
 * asked. It knows no HTTP.
 */
import { OverloadError } from '../base/index.ts';
import type { Task } from '../model/index.ts';
import type { CascadeRoom } from './cascade.ts';
import type { Engine, EngineAnswers } from './engine.ts';
import { WorkerLost } from './engine-link.ts';
import type { OpenedLevel, PassRequest } from './engine-protocol.ts';
import type { Isolation, LaneRow } from './lanes.ts';
import { lengthClassOf } from './length-class.ts';
import { ArrivalRate, type LevelFor, type Observation, PassTimes } from './load.ts';
import { Metrics } from './metrics.ts';
import { fullPass, isMuch, LONGEST_SMALL_MS, type PassShape, smallPass } from './pass-shape.ts';
import { type AnswerLevel, type Asked, OpenQuestion, type Question, textAnswerOf } from './question.ts';
import { type Batch, RequestQueue, tokensOf } from './queue.ts';
import { Recomputation } from './recomputation.ts';
import { Refusal } from './refusal.ts';
import type { AskedText, ModelDescription } from './served-model.ts';

export interface ServiceOptions {
  readonly isolation: Isolation;
  /** How long a row waits for others, at most, where a worker is free. */
  readonly maxWaitMs: number;
  /** Most rows that wait. */
  readonly capacity: number;
  /** A row that would wait longer is not taken in. */
  readonly maxQueueMs: number;
  /** Which of the engine's models answers a text that would go through alone while no other waits; it is no level. */
  readonly alone?: number;
  readonly levelFor: LevelFor;
  /** What may be spent on recomputing unsure answers; nothing if left out. */
  readonly cascade?: CascadeRoom | undefined;
}

interface Row extends LaneRow {
  readonly question: OpenQuestion;
  /** Among the texts of its question. */
  readonly place: number;
  readonly asked: AskedText;
  readonly minAccuracy: number;
}

/** A row and its place in a pass. */
interface RowOfPass {
  readonly row: Row;
  readonly at: number;
}

interface RanPass {
  readonly level: AnswerLevel;
  readonly rows: number;
  readonly answers: EngineAnswers;
}

/** Workers that are lost over a row before it fails; over one that had nobody with it one less. */
const MOST_LOSSES = 2;
/** Of all texts that wait, together. */
export const MAX_CHARACTERS = 64 * 1024 * 1024;

export class Service {
  private engine: Engine;
  private readonly queue: RequestQueue<Row>;
  readonly options: ServiceOptions;
  readonly metrics: Metrics;
  private readonly arrivals = new ArrivalRate();
  private readonly recomputation: Recomputation;
  private times: PassTimes[] = [];
  private level = 0;
  /** Whether there is much to do, so that passes should be full. */
  private isBusy = false;
  private questions = 0;
  /** Questions that are open, by their number. */
  private readonly open = new Map<number, OpenQuestion>();
  /** Passes that each engine is running. */
  private readonly passes = new Map<Engine, number>();
  private timer: NodeJS.Timeout | undefined;
  private onIdle: (() => void) | undefined;
  private draining = false;

  constructor(engine: Engine, options: ServiceOptions) {
    this.options = options;
    this.engine = engine;
    this.queue = new RequestQueue({
      ...options,
      maxCharacters: MAX_CHARACTERS,
      shapeOf: (lastLevel, lengthClass) => this.shapeOf(lastLevel, lengthClass),
    });
    this.begin();
    this.recomputation = new Recomputation(options.cascade);
    this.metrics = new Metrics({
      queueDepth: () => this.queue.depth,
      queueSeconds: () => this.queueMs / 1000,
      level: () => this.levelNow(),
      readyWorkers: () => this.readyWorkers,
    });
  }

  /** The levels, the most accurate first. */
  get levels(): readonly OpenedLevel[] {
    const { alone } = this.options;
    return alone === undefined ? this.engine.levels : this.engine.levels.filter((_, at) => at !== alone);
  }

  /** Questions that are taken in and not answered. */
  get openQuestions(): number {
    return this.open.size;
  }

  get task(): Task {
    return this.engine.levels[0]?.description.task ?? 'sequence';
  }

  get labels(): readonly string[] {
    return this.engine.levels[0]?.description.labels ?? [];
  }

  get readyWorkers(): number {
    return this.engine.readyWorkers;
  }

  get isDraining(): boolean {
    return this.draining;
  }

  /** Whether requests are taken in and can be answered. */
  get isReady(): boolean {
    return !this.draining && this.engine.readyWorkers > 0;
  }

  /** How long rows of this tenant would wait that came now, in milliseconds. */
  expectedWaitMs(tenant: string, rows = 1): number {
    const { isFree, leftMs, readyWorkers } = this.engine;
    const aheadMs = this.queue.shareAhead(tenant, rows) * this.backlogMs() + (isFree ? 0 : leftMs);
    return aheadMs / Math.max(1, readyWorkers);
  }

  /** How long all that was taken in should take the workers, in milliseconds. */
  private get queueMs(): number {
    const { leftMs, readyWorkers } = this.engine;
    return (this.backlogMs() + leftMs) / Math.max(1, readyWorkers);
  }

  /** How long what waits should take a worker at a level, or at the last one that may answer it; of those rows only that may go down to level `least`. */
  private backlogMs(level = this.level, least = 0): number {
    let ms = 0;
    for (const [lastLevel, backlog] of this.queue.backlogs) {
      if (backlog.rows > 0 && lastLevel >= least) ms += this.times[Math.min(lastLevel, level)]?.backlogMs(backlog) ?? 0;
    }
    return ms;
  }

  /**
   * Throws an OverloadError where rows have no room or would wait too long, and a Refusal where the server is about to end or has had no worker for long,
   * full or not: another one may answer. Costs next to nothing, so that it can be asked before a request is read.
   */
  requireRoom(tenant: string, rows = 1): void {
    if (this.draining) throw new Refusal('unhealthy', 'server', { expected: 'a server that is up', got: 'its end' });
    if (this.engine.outage !== undefined) throw this.engine.outage;
    this.queue.requireRoom(tenant, rows);
    const waitMs = this.expectedWaitMs(tenant, rows);
    const { maxQueueMs } = this.options;
    if (waitMs <= maxQueueMs) return;
    throw new OverloadError('queue', { expected: `to wait at most ${maxQueueMs} ms`, got: `${Math.round(waitMs)} ms` });
  }

  /** Takes a question in. Throws OverloadError or a Refusal where it does not. */
  ask({ texts, tenant, minAccuracy = 0 }: Question): Asked {
    this.requireRoom(tenant, texts.length);
    const lastLevel = lastLevelWith(minAccuracy, this.levels);
    if (lastLevel < 0) throw tooInaccurateError(minAccuracy, this.levels[0]?.description);
    const question = new OpenQuestion(this.questions++, texts.length);
    const longest = this.engine.levels[0]?.description.maxTokens ?? 1;
    const arrivedMs = performance.now();
    const isFull = this.queue.offer(
      texts.map((asked, place) => ({
        question,
        place,
        asked,
        minAccuracy,
        tenant,
        lastLevel,
        request: question.number,
        arrivedMs,
        lengthClass: lengthClassOf(asked, longest),
        characters: asked.text.length + (asked.pair?.length ?? 0),
      })),
    );
    this.open.set(question.number, question);
    this.arrivals.arrived(texts.length, arrivedMs);
    // Otherwise nothing leaves sooner than it would have: the timer is set, or the end of a pass is waited for.
    if (isFull || (this.engine.isFree && this.timer === undefined)) this.pump();
    return { answer: question.answer, cancel: () => this.cancel(question) };
  }

  /** New models for all passes to come; the old ones end when what they run is done. */
  replaceEngine(engine: Engine): void {
    const old = this.engine;
    this.engine = engine;
    this.begin();
    this.metrics.reloaded();
    if (!this.passes.has(old)) void old.close();
    this.pump();
  }

  /** Takes nothing in any more, and answers what was taken in; whether all was in time. */
  async drain(deadlineMs: number): Promise<boolean> {
    this.draining = true;
    const isDone = await this.untilIdle(deadlineMs);
    const facts = { expected: 'to answer before its end', got: 'too little time' };
    this.failAll(new Refusal('unhealthy', 'server', facts));
    return isDone;
  }

  private failAll(reason: Refusal): void {
    for (const question of [...this.open.values()]) this.fail(question, reason);
  }

  private async untilIdle(deadlineMs: number): Promise<boolean> {
    if (this.open.size === 0) return true;
    return new Promise((resolve) => {
      const deadline = setTimeout(() => resolve(false), deadlineMs);
      this.onIdle = () => {
        clearTimeout(deadline);
        resolve(true);
      };
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    await this.engine.close();
  }

  /**
   * Of rows of a length, at the level that they would run at. Only where all may share passes, they are smaller while little waits: under isolation an
   * answer must not depend on the load, which is others'.
   */
  private shapeOf(lastLevel: number, lengthClass: number): PassShape {
    const level = this.engine.levels[Math.min(lastLevel, this.level)] as OpenedLevel;
    const isFull = this.isBusy || this.options.isolation !== 'none';
    return isFull ? fullPass(level, lengthClass) : smallPass(level, lengthClass);
  }

  /** With a new engine. */
  private begin(): void {
    const { engine } = this;
    engine.onWorkerReady = () => this.pump();
    engine.onOutage = (reason) => engine === this.engine && this.failAll(reason);
    this.times = this.engine.levels.map((level) => new PassTimes(level));
  }

  private cancel(question: OpenQuestion): void {
    if (!this.open.has(question.number)) return;
    this.metrics.left(this.queue.cancel(question.number));
    this.fail(question, new Refusal('cancelled', 'client', { expected: 'to wait', got: 'its end' }));
  }

  /**
   * Passes leave for as long as workers take them; then the one timer there is waits for the oldest row. If a full pass is next, a busy worker gets it
   * too, and goes on with it at once: this thread may be busy with requests when an answer comes, and the worker would wait for it. But what would wait
   * there for long does better to wait here, where the first worker that is free takes it.
   */
  private pump(): void {
    this.isBusy = this.seesMuch();
    while (this.queue.depth > 0 && this.engine.hasRoomForNext) {
      const nowMs = performance.now();
      this.level = this.decideLevel(nowMs);
      const batch = this.nextBatch(nowMs);
      if (batch === undefined) break;
      void this.run(batch);
      this.isBusy = this.seesMuch();
    }
    this.wakeWhenDue();
  }

  private nextBatch(nowMs: number): Batch<Row> | undefined {
    const { isFree, soonestMs } = this.engine;
    if (isFree) return this.queue.take(nowMs);
    return this.isBusy || soonestMs <= LONGEST_SMALL_MS ? this.queue.takeFull(nowMs) : undefined;
  }

  private wakeWhenDue(): void {
    if (this.timer !== undefined || !this.engine.isFree) return;
    const { dueMs } = this.queue;
    if (dueMs === undefined) return;
    this.timer = setTimeout(
      () => {
        this.timer = undefined;
        this.pump();
      },
      Math.ceil(Math.max(0, dueMs - performance.now())),
    );
  }

  private decideLevel(nowMs: number): number {
    const last = this.levels.length - 1;
    return last < 1 ? 0 : Math.max(0, Math.min(this.options.levelFor(this.observe(nowMs)), last));
  }

  /** Decided anew, as the last pass may have left long ago; without workers no level holds anything. */
  private levelNow(): number {
    if (this.engine.readyWorkers > 0) this.level = this.decideLevel(performance.now());
    return this.level;
  }

  private seesMuch(): boolean {
    return isMuch(this.queueMs, this.isBusy, this.engine.levels[this.level] as OpenedLevel);
  }

  private observe(nowMs: number): Observation {
    const { readyWorkers: workers, givenMs } = this.engine;
    return {
      nowMs,
      waitsMs: this.levels.map((_, level) => (this.backlogMs(level, level) + givenMs) / Math.max(1, workers)),
      backlogMs: (this.backlogMs() + givenMs) / Math.max(1, workers),
      oldestWaitMs: nowMs - (this.queue.oldestMs ?? nowMs),
      arrivalsPerSecond: this.arrivals.perSecond(nowMs),
      ratesPerSecond: this.times.slice(0, this.levels.length).map((times) => times.ratePerSecond(workers)),
    };
  }

  /** Runs a batch, whose rows workers have been lost over so many times. */
  private async run(batch: Batch<Row>, losses = 0): Promise<void> {
    const { engine } = this;
    const level = this.modelFor(batch);
    this.passes.set(engine, (this.passes.get(engine) ?? 0) + 1);
    try {
      const answers = await engine.run(this.passOf(batch.rows, level));
      this.recordPass(batch, level, answers);
      const pass: RanPass = { level: this.nameOf(level), rows: batch.rows.length, answers };
      const unsure = this.unsureOf(pass).filter((at) => this.open.has((batch.rows[at] as Row).question.number));
      const places = batch.rows.map((row, at) => ({ row, at }));
      this.answerAll(
        places.filter(({ at }) => !unsure.includes(at)),
        pass,
      );
      const again = unsure.map((at) => places[at] as RowOfPass);
      if (again.length > 0) await this.recompute(engine, again, pass);
    } catch (error) {
      if (error instanceof WorkerLost && error.wasBegun) this.runAgain(batch, losses + 1, error);
      else for (const { question } of batch.rows) this.fail(question, error);
    } finally {
      await this.passEnded(engine);
      this.pump();
    }
  }

  /** Rows that a worker was lost over run again in parts, so that one that ends workers fails no other: halves, and what is lost again row by row. */
  private runAgain({ rows, lastLevel }: Batch<Row>, losses: number, error: WorkerLost): void {
    const left = rows.filter(({ question }) => this.open.has(question.number));
    if (losses > MOST_LOSSES || (losses > 1 && rows.length === 1)) {
      for (const { question } of left) this.fail(question, error);
    } else {
      const size = losses === 1 ? Math.ceil(left.length / 2) : 1;
      for (const part of partsOf(left, size)) void this.run({ rows: part, lastLevel }, losses);
    }
  }

  private passOf(rows: readonly Row[], level: number): PassRequest {
    const expectedMs = this.times[level]?.expectedMs(tokensOf(rows)) ?? 0;
    return { level, texts: rows.map(({ asked }) => asked), expectedMs };
  }

  /** The engine's model that a batch runs on. Models may have been loaded since its rows came, so which of them will do is asked again. */
  private modelFor({ rows, lastLevel }: Batch<Row>): number {
    const { alone } = this.options;
    const [first] = rows;
    // While others wait, slots of a faster model cost less than a pass of one text.
    const isAlone = rows.length === 1 && this.queue.depth === 0 && this.engine.passesGiven === 0;
    if (
      isAlone &&
      alone !== undefined &&
      first !== undefined &&
      accuracyOf(this.engine.levels[alone]?.description) >= first.minAccuracy
    )
      return alone;
    const highest = Math.max(...rows.map(({ minAccuracy }) => minAccuracy));
    return Math.max(0, Math.min(lastLevel, this.level, lastLevelWith(highest, this.levels)));
  }

  private nameOf(level: number): AnswerLevel {
    return level === this.options.alone ? 'alone' : level;
  }

  private recordPass({ rows }: Batch<Row>, level: number, { slots, computeMs, tooLong }: EngineAnswers): void {
    const [{ lengthClass }] = rows as readonly [Row];
    this.times[level]?.ran(computeMs, slots, lengthClass);
    const startMs = performance.now() - computeMs;
    const waitsMs = rows.map(({ arrivedMs }) => startMs - arrivedMs);
    this.metrics.ran({ level: this.nameOf(level), rows: rows.length - tooLong.length, slots, computeMs, waitsMs });
  }

  private unsureOf({ level, answers }: RanPass): readonly number[] {
    if (level === 'alone') return [];
    return this.recomputation.unsure(answers, level, this.observe(performance.now()), this.readyWorkers);
  }

  /** Answers rows of a pass by the most accurate level, in passes as long as others may be. They have shared a pass, so they may share another one. */
  private async recompute(engine: Engine, unsure: readonly RowOfPass[], first: RanPass): Promise<void> {
    const longest = Math.max(...unsure.map(({ row }) => row.lengthClass));
    const { groups, instances } = fullPass(engine.levels[0] as OpenedLevel, longest);
    const parts = partsOf(unsure, groups * instances);
    await Promise.all(parts.map((part) => this.recomputePart(engine, part, first)));
  }

  /** In one pass, whose answers count where it has any. */
  private async recomputePart(engine: Engine, part: readonly RowOfPass[], first: RanPass): Promise<void> {
    const rows = part.map(({ row }) => row);
    const pass = this.passOf(rows, 0);
    const answers = await this.recomputation.attempt(rows.length, () => engine.run(pass));
    if (answers === undefined) return this.answerAll(part, first);
    const { tooLong } = answers;
    this.metrics.recomputed({ level: 0, rows: rows.length - tooLong.length, ...answers });
    const better = part.map(({ row }, at) => ({ row, at })).filter(({ at }) => !tooLong.includes(at));
    this.answerAll(better, { level: 0, rows: rows.length, answers });
    this.answerAll(
      part.filter((_, at) => tooLong.includes(at)),
      first,
    );
  }

  private answerAll(rows: readonly RowOfPass[], pass: RanPass): void {
    const answered = rows.filter(({ row, at }) => this.answer(row, at, pass)).length;
    this.metrics.rowsAnswered(pass.level, answered);
  }

  /**
   * Gives a row its answer, which stands at a place of a pass; a model that was loaded since the row came may be less accurate than the row asks for. Whether
   * there was one to give, and somebody who waits for it.
   */
  private answer({ question, place, minAccuracy }: Row, at: number, { level, rows, answers }: RanPass): boolean {
    if (!this.open.has(question.number)) return false;
    const { tooLong, slots, model } = answers;
    const reason = tooLong.includes(at)
      ? tooLongError(model.maxTokens)
      : accuracyOf(model) < minAccuracy && tooInaccurateError(minAccuracy, model);
    if (reason) {
      this.fail(question, reason);
      return false;
    }
    const fill = slots > 0 ? (rows - tooLong.length) / slots : 1;
    if (question.take(place, textAnswerOf(answers, at, model), { level, fill })) this.settled(question);
    return true;
  }

  private fail(question: OpenQuestion, error: unknown): void {
    this.queue.cancel(question.number);
    question.fail(error);
    this.settled(question);
  }

  private settled(question: OpenQuestion): void {
    this.open.delete(question.number);
    if (this.open.size === 0) this.onIdle?.();
  }

  private async passEnded(engine: Engine): Promise<void> {
    const left = (this.passes.get(engine) ?? 1) - 1;
    if (left > 0) this.passes.set(engine, left);
    else this.passes.delete(engine);
    if (left === 0 && engine !== this.engine) await engine.close();
  }
}

/** Parts of so many rows, the last of what is left. */
function partsOf<T>(rows: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(rows.length / size) }, (_, at) => rows.slice(at * size, (at + 1) * size));
}

const accuracyOf = (model: ModelDescription | undefined): number => model?.accuracy ?? 0;

/** The last level whose accuracy, and that of all before it, will do; -1 where not even the first one's does. */
function lastLevelWith(minAccuracy: number, levels: readonly OpenedLevel[]): number {
  const tooLow = levels.findIndex(({ description }) => accuracyOf(description) < minAccuracy);
  return (tooLow < 0 ? levels.length : tooLow) - 1;
}

function tooInaccurateError(minAccuracy: number, model: ModelDescription | undefined): Refusal {
  return new Refusal('invalid', 'x-prumux-min-accuracy', {
    expected: `at most the accuracy of the model, ${model?.accuracy ?? 'which is not known'}`,
    got: String(minAccuracy),
  });
}

function tooLongError(maxTokens: number): Refusal {
  const hint = 'With "truncate": true it is cut.';
  return new Refusal('tooLarge', 'inputs', { expected: `at most ${maxTokens} tokens`, got: 'a longer text', hint });
}
