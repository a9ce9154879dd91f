/** From a graph to a running session: the only room that knows ONNX and its runtime. */
export { type EmitOptions, type EmittedModel, emit } from './emit.ts';
export { cpu, DEVICES, type Device, loadRuntime, type Placement, parseDevice } from './provider.ts';
export { compile, type Feeds, openSession, type Session } from './session.ts';
