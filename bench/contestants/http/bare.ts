import type { HttpFactory } from './contestant.js';

/** No guard: the cost of Nest and the framework alone. */
export const bare: HttpFactory = () => ({ module: {}, credential: () => ({}) });
