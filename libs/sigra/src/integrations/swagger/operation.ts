import type { SigraErrorCode } from '../../common/sigra-error.js';
import type { Exceptions } from './refusals.js';
import type { Schema } from './schema.js';

/** A parameter of a ready-made route. */
export interface Parameter {
  readonly name: string;
  readonly in: 'query' | 'header' | 'path';
  readonly schema: Schema<never>;
  readonly description?: string;
  readonly required?: boolean;
}

/** The description of a ready-made route, whose handler returns `T`. */
export interface Operation<T> {
  readonly tag: string;
  readonly summary: string;
  readonly description?: string;
  readonly parameters?: readonly Parameter[];
  /** The body of the request. */
  readonly body?: { readonly schema: Schema<never>; readonly required: boolean; readonly type: string };
  readonly status: number;
  readonly answer: string;
  readonly returns: [undefined] extends [T] ? undefined : Schema<T>;
  /** The media type of the answer. @default 'application/json' */
  readonly type?: string;
  /** The codes of refusals beside those of guards. */
  readonly refusals?: readonly SigraErrorCode[];
  readonly exceptions?: Exceptions;
  /** The statuses of refusals in the form of RFC 6749 section 5.2, in place of all others. */
  readonly oauthErrors?: Readonly<Record<number, string>>;
  /** Which schemes the route accepts, by groups; `none` for a request without a credential. @default what its guards accept */
  readonly accepts?: readonly ('none' | 'clients' | 'apiTokens' | 'accessTokens')[];
}

/** The handlers of a controller, all of them. */
export type Operations<C> = {
  readonly [M in keyof C as C[M] extends (...given: never[]) => unknown ? M : never]: C[M] extends (
    ...given: never[]
  ) => infer R
    ? Operation<Awaited<R>>
    : never;
};

export const json = (schema: Schema<never>, required = true) => ({ schema, required, type: 'application/json' });
export const form = (schema: Schema<never>) => ({ schema, required: true, type: 'application/x-www-form-urlencoded' });

export function query(name: string, schema: Schema<never>, description?: string): Parameter {
  return { name, in: 'query', schema, ...(description !== undefined && { description }) };
}

export function header(name: string, schema: Schema<never>, description: string): Parameter {
  return { name, in: 'header', schema, description };
}

export const path = (name: string, schema: Schema<never>): Parameter => ({ name, in: 'path', schema, required: true });
