/** What a browser session holds. Never a raw token: sessions are rows of a table. */
declare module 'express-session' {
  interface SessionData {
    /** Who is signed in. */
    userId: string;
    /** Said on the next page, once. */
    notice: Notice;
  }
}

export interface Notice {
  readonly kind: 'done' | 'failed';
  readonly text: string;
}
