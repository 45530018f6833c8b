import type { ApplicationConfig } from '@nestjs/core';
import { AuthGuard } from '@nestjs/passport';
import { BearerAuthGuard, SessionAuthGuard } from '../../auth/auth.guards.js';
import type { Target } from '../../auth/route-metadata.js';
import { authenticates, enforcesScopes, guardsOf, rulesOf, type RouteRules } from '../../auth/route-rules.js';
import type { SigraConfig } from '../../config/sigra-config.js';
import type { SchemeNames } from './security-schemes.js';

/** Alternatives: a request needs one of them. Each has the schemes that it needs together, with their scopes. */
export type Security = Record<string, string[]>[];

/** The most combinations of scopes that a document lists. More stand in the description only. */
const MAX_COMBINATIONS = 64;

/** The guard in front of `BearerStrategy`: Passport makes one class for each name of a strategy. */
const PassportBearerGuard = AuthGuard('bearer');

/** What the guards of a route demand. */
export class RouteGuards {
  readonly rules: RouteRules;
  /** Whether a guard of Sigra is among them, or that of Passport in front of `BearerStrategy`. */
  readonly authenticate: boolean;
  /** Whether one of them has a strategy of the application, which decides what they accept. */
  private readonly acceptOthers: boolean;
  /** Whether one of them limits requests, and whether it is that of Sigra. */
  readonly throttle: 'sigra' | 'other' | undefined;
  readonly acceptsBearer: boolean;
  /** Sessions and JWTs belong to users only. */
  readonly acceptsUsers: boolean;
  /** Whether it refuses credentials of some types of owners. */
  readonly refusesOwners: boolean;
  readonly acceptsSession: boolean;

  constructor(application: ApplicationConfig, config: SigraConfig, controller: Target, handler: Target) {
    this.rules = rulesOf(controller, handler);
    const { owners, kinds } = this.rules;
    this.acceptsUsers = owners?.includes(config.users.type) ?? true;
    const guards = [
      ...application.getGlobalGuards(),
      ...application.getGlobalRequestGuards().map(({ metatype }) => metatype),
      ...guardsOf(handler),
      ...guardsOf(controller),
    ];
    const isOpen = this.rules.access === 'anonymous';
    this.authenticate = !isOpen && guards.some((guard) => authenticates(guard) && !hasOtherStrategy(guard));
    this.acceptOthers = guards.some(hasOtherStrategy);
    const throttlers = guards.filter(throttles);
    this.throttle = throttlers.some(enforcesScopes) ? 'sigra' : throttlers.length > 0 ? 'other' : undefined;
    // Every guard has to accept the credential.
    this.acceptsBearer = !guards.some((guard) => isOf(guard, SessionAuthGuard));
    const bearerOnly = [BearerAuthGuard, PassportBearerGuard].some((type) => guards.some((guard) => isOf(guard, type)));
    this.acceptsSession = this.acceptsUsers && kinds.length === 0 && !bearerOnly;
    const types = this.acceptsBearer ? config.ownerTypes.map(({ type }) => type) : [config.users.type];
    this.refusesOwners = types.some((type) => !(owners ?? [config.users.type]).includes(type));
  }

  /** Each of the lists is enough: scopes of a class and its methods add up, and `any` has alternatives. */
  get combinations(): readonly (readonly string[])[] {
    let combined: readonly (readonly string[])[] = [[]];
    for (const { match, scopes } of this.rules.scopes) {
      const choices = match === 'any' ? scopes.map((scope) => [scope]) : [scopes];
      combined = combined.flatMap((before) => choices.map((choice) => [...new Set([...before, ...choice])]));
      if (combined.length > MAX_COMBINATIONS) return [];
    }
    return combined;
  }

  /**
   * @param schemes the names of the schemes of the document
   * @returns undefined if the application has to describe the credentials, which a strategy of its own reads
   */
  security(schemes: SchemeNames): Security | undefined {
    if (this.acceptOthers) return undefined;
    if (!this.authenticate) return [];
    const { access, kinds } = this.rules;
    const onlyTokens = kinds.length > 0 || !this.acceptsUsers;
    const bearer = onlyTokens ? schemes.apiTokens : [...schemes.apiTokens, ...schemes.accessTokens];
    const names = [...(this.acceptsBearer ? bearer : []), ...(this.acceptsSession ? schemes.sessions : [])];
    const flows = this.acceptsBearer && !onlyTokens ? schemes.flows : [];
    return [
      ...names.map((name) => ({ [name]: [] })),
      ...flows.flatMap((name) => this.combinations.map((scopes) => ({ [name]: [...scopes] }))),
      ...(access === 'optional' ? [{}] : []),
    ];
  }

  /** For people: the scopes, the kinds and the owners that the route requires; empty for none. */
  get sentences(): string {
    const { scopes, kinds, owners } = this.rules;
    const each = scopes.map(({ match, scopes: all }) => quoted(all, match === 'any' ? ' or ' : ', '));
    return [
      ...(each.length > 0 ? [`Scope: ${each.join(', and ')}.`] : []),
      ...kinds.map(({ kinds: names }) => `Only API tokens of the kind ${quoted(names, ' or ')}.`),
      ...(owners ? [`Only credentials of owners of the type ${quoted(owners, ' or ')}.`] : []),
    ].join(' ');
  }
}

function quoted(names: readonly string[], separator: string): string {
  return names.map((name) => `\`${name}\``).join(separator);
}

function isOf(guard: unknown, type: Target): boolean {
  const given: unknown = typeof guard === 'function' ? guard : (guard as object | null)?.constructor;
  return typeof given === 'function' && (given === type || given.prototype instanceof type);
}

/** Whether it is a guard of Passport with another strategy than `BearerStrategy`. */
function hasOtherStrategy(guard: unknown): boolean {
  return authenticates(guard) && !enforcesScopes(guard) && !isOf(guard, PassportBearerGuard);
}

/** A guard of `@nestjs/throttler`, which is an optional package. */
function throttles(guard: unknown): boolean {
  const type = typeof guard === 'function' ? guard : (guard as object | null)?.constructor;
  const { throwThrottlingException } = (type?.prototype ?? {}) as Readonly<Record<string, unknown>>;
  return typeof throwThrottlingException === 'function';
}
