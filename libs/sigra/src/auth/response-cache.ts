import { createHash } from 'node:crypto';
import { types } from 'node:util';
import { applyDecorators, type ExecutionContext, Header, RequestMethod, SetMetadata } from '@nestjs/common';
import { credentialOf, stampOf } from '../common/principal.js';
import { requestOf } from './call-request.js';
import { declaring, inherited, type Target } from './route-metadata.js';

/** On interceptors. */
const CACHES_PER_PRINCIPAL = 'sigra:caches-per-principal';
/** Where Nest keeps interceptors, headers and methods, and where `@CacheKey()` and `@CacheTTL()` keep their values. */
const INTERCEPTORS = '__interceptors__';
const HEADERS = '__headers__';
const METHOD = 'method';
const CACHE_KEY = 'cache_module:cache_key';
const CACHE_TTL = 'cache_module:cache_ttl';

/**
 * Declares that an interceptor for caching keeps the answers to principals apart, because its `trackBy()` uses
 * `perPrincipal()`. Without it, the application does not boot when a `CacheInterceptor` stands before a route that has a
 * principal and no `@CacheKey()`.
 */
export const CachesPerPrincipal = (): ClassDecorator => declaring<true>(CACHES_PER_PRINCIPAL, () => true);

/** A `CacheInterceptor` asks for the time before it calls the handler, and caches nothing when it gets none. */
const NEVER = (): never => {
  throw new Error('sigra: the answer is never cached');
};

/** Keeps an answer out of every cache: those of HTTP, and any `CacheInterceptor`, which ignores their header. */
export const NeverCached = (): MethodDecorator =>
  applyDecorators(Header('Cache-Control', 'no-store'), SetMetadata(CACHE_TTL, NEVER));

/** The versions of `@nestjs/cache-manager` return different types. */
type CacheKey = string | null | undefined;

/**
 * The key of an answer for the principal of the call, for `trackBy()` of a `CacheInterceptor`. Two credentials never share
 * an answer, even those of one owner; a credential of `credentials.resolve` without an `id` has no cached answers. Answers
 * with `@Header('Cache-Control', 'no-store')`, such as those of the ready-made controllers, are not cached. Calls without a
 * principal keep the key.
 *
 * @param key of an answer that does not depend on the caller, such as the URL; undefined is not cached
 *
 * @example
 * @Injectable()
 * @CachesPerPrincipal()
 * export class AppCacheInterceptor extends CacheInterceptor {
 *   protected override trackBy(context: ExecutionContext) {
 *     return perPrincipal(context, super.trackBy(context));
 *   }
 * }
 */
export function perPrincipal(context: ExecutionContext, key: CacheKey): string | undefined;
export function perPrincipal(
  context: ExecutionContext,
  key: CacheKey | Promise<CacheKey>,
): string | undefined | Promise<string | undefined>;
export function perPrincipal(
  context: ExecutionContext,
  key: CacheKey | Promise<CacheKey>,
): string | undefined | Promise<string | undefined> {
  if (types.isPromise(key)) return key.then((known) => perPrincipal(context, known));
  if (!key || isNeverStored(context.getHandler())) return undefined;
  const principal = requestOf(context).sigra;
  if (!principal) return key;
  const credential = credentialOf(principal);
  if (!credential) return undefined;
  const type = (stampOf(principal) ?? principal).owner?.type;
  const { scopes, resources = null } = principal;
  const facts = JSON.stringify([type, ...credential, [...scopes].sort(), resources && [...resources].sort()]);
  // In front: a URL begins with a slash, so no client can name the key of a principal.
  return `sigra:${createHash('sha256').update(facts).digest('base64url')}:${key}`;
}

/** The interceptor that would give the answer of a route to other principals, by its name. */
export function sharedCacheOf(
  handler: Target,
  controller: Target,
  globalInterceptors: readonly unknown[],
): string | undefined {
  const method: unknown = Reflect.getMetadata(METHOD, handler);
  if (method !== RequestMethod.GET && method !== RequestMethod.ALL) return undefined;
  // The application itself says which callers share an answer.
  if (Reflect.hasMetadata(CACHE_KEY, handler) || Reflect.getMetadata(CACHE_TTL, handler) === NEVER) return undefined;
  return [...globalInterceptors, ...interceptorsOf(controller), ...interceptorsOf(handler)]
    .map(classOf)
    .find((type) => type && isCache(type) && inherited(CACHES_PER_PRINCIPAL, type) !== true)?.name;
}

function interceptorsOf(target: Target): readonly unknown[] {
  return (Reflect.getMetadata(INTERCEPTORS, target) as readonly unknown[] | undefined) ?? [];
}

function classOf(interceptor: unknown): Target | undefined {
  const type: unknown = typeof interceptor === 'function' ? interceptor : (interceptor as object | null)?.constructor;
  return typeof type === 'function' ? type : undefined;
}

/** Whether a class has the methods of a `CacheInterceptor`, of any version and copy of its package. */
function isCache({ prototype }: Target): boolean {
  const { trackBy, isRequestCacheable } = (prototype ?? {}) as Readonly<Record<string, unknown>>;
  return typeof trackBy === 'function' && typeof isRequestCacheable === 'function';
}

function isNeverStored(handler: Target): boolean {
  const headers = (Reflect.getMetadata(HEADERS, handler) ?? []) as readonly { name: string; value: unknown }[];
  return headers.some(({ name, value }) => name.toLowerCase() === 'cache-control' && /no-store/i.test(String(value)));
}
