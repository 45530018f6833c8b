import type { HttpFactory } from './contestant.js';

/** No guard: what Nest and the framework cost by themselves. */
export const bare: HttpFactory = () => ({ module: {}, credential: () => ({}) });
