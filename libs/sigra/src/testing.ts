export { FakeClock } from './testing/fake-clock.js';
export type { Duration } from './testing/fake-clock.js';
