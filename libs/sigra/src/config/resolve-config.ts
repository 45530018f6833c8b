import { CronTime } from 'cron';
import { adminSection } from './admin.section.js';
import { apiTokensSection } from './api-tokens.section.js';
import { credentialsSection } from './credentials.section.js';
import { resolveDpop } from './dpop.section.js';
import { jwtSection } from './jwt.section.js';
import { leaksSection } from './leaks.section.js';
import { metadataSection, RESOURCE_DOCUMENT, wellKnownUrl } from './metadata.section.js';
import { callback, flag, integer, oneOf, seconds, text } from './option-kinds.js';
import { optional, section, type SpecsOf } from './option-section.js';
import { none, option, rejectOption } from './option-spec.js';
import { replicasSection } from './replicas.section.js';
import { sessionSection } from './session.section.js';
import { SigraConfigError } from './sigra-config-error.js';
import type {
  AuditOptions,
  ChangeHook,
  CleanupOptions,
  HooksOptions,
  RouteChecking,
  SigraModuleExtras,
  SigraModuleOptions,
  TrustedIssuers,
} from './sigra-options.js';
import { assertOwnerTypes } from './token-kinds.section.js';
import { ownersSection, ownerTypesOf, usersSection } from './users.section.js';

/** Every option of the module. The resolved configuration, its type and the documentation follow from it. */
export const sigraSection = section(
  {
    users: usersSection,
    owners: ownersSection,
    canManage: callback<SigraModuleOptions['canManage']>({
      accepts: '`(principal, owner) => boolean`, or a promise of it',
      expected: 'a function of the principal and the owner',
      default: none,
    }),
    apiTokens: apiTokensSection,
    jwt: jwtSection,
    trustedIssuers: option({ accepts: 'result of `trustIssuers()`', default: none, check: checkTrustedIssuers }),
    credentials: credentialsSection,
    session: sessionSection,
    leaks: leaksSection,
    admin: adminSection,
    metadata: metadataSection,
    audit: section({
      enabled: flag({ default: true }),
      retention: seconds({ min: 1, default: none }),
      failureRetention: seconds({ min: 1, default: 34_560_000 }),
    } satisfies SpecsOf<AuditOptions>),
    hooks: section({
      onTokenCreated: changeHook(),
      onTokenRevoked: changeHook(),
      onReuseDetected: changeHook(),
      onLockedOut: changeHook(),
    } satisfies SpecsOf<HooksOptions>),
    cleanup: section({
      schedule: option({ accepts: 'cron expression, or `false`', default: '0 3 * * *', check: checkSchedule }),
      batchSize: integer({ unit: 'rows', min: 1, max: 100_000, default: 1000 }),
      forgetOwners: flag({ default: none }),
      revokedRetention: seconds({ min: 0, default: 7_776_000 }),
    } satisfies SpecsOf<CleanupOptions>),
    realm: text({
      // The realm is a quoted-string in a header.
      form: '1 to 100 printable ASCII characters without " and \\',
      accepts: '1 to 100 printable ASCII characters without `"` and `\\`',
      matches: (realm) => /^[\x20\x21\x23-\x5b\x5d-\x7e]{1,100}$/.test(realm),
      default: 'api',
    }),
    lookupTimeout: integer({ unit: 'milliseconds', min: 10, max: 60_000, default: 2000 }),
    preparedStatements: flag({ default: true }),
    replicas: optional(replicasSection),
    routes: oneOf<RouteChecking, RouteChecking>(['error', 'warn', 'off'], { default: 'error' }),
  } satisfies SpecsOf<SigraModuleOptions>,
  (options) => {
    const { owners, ...others } = options;
    const ownerTypes = ownerTypesOf(options.users, owners);
    if (options.users.scopes && options.jwt?.check === 'stateless') {
      throw new SigraConfigError(
        'users.scopes',
        "needs the user of each request, but jwt.check is 'stateless'; use 'epoch' or 'family'",
      );
    }
    const types = ownerTypes.map(({ type }) => type);
    assertOwnerTypes('apiTokens', options.apiTokens.kinds, types);
    const { jwt, trustedIssuers, replicas, lookupTimeout } = options;
    if (replicas && replicas.leaseMilliseconds > lookupTimeout / 2) {
      throw new SigraConfigError(
        'replicas.leaseMilliseconds',
        'is more than half of lookupTimeout, and a read that no standby answers needs the rest; make it shorter',
      );
    }
    if (jwt && trustedIssuers?.issuers.has(jwt.issuer)) {
      throw new SigraConfigError(
        'trustedIssuers',
        'has the value of jwt.issuer; an issuer is either this application or another',
      );
    }
    const { resource } = options.metadata;
    // In the challenge of RFC 6750 section 3, as RFC 9728 section 5.1 has it.
    const resourceMetadata = resource === undefined ? undefined : wellKnownUrl(resource, RESOURCE_DOCUMENT).href;
    const dpop = options.jwt && resolveDpop(options.jwt.dpop, options.jwt.issuer, options.metadata);
    return { ...others, ownerTypes, resourceMetadata, dpop };
  },
);

const EXTRAS = { isGlobal: true, dataSource: true, controllers: true } satisfies Record<keyof SigraModuleExtras, true>;

/**
 * Resolves the options of the host to the frozen configuration that the library reads.
 *
 * @throws SigraConfigError that names the option and the remedy, never a secret
 */
export function resolveConfig(options: SigraModuleOptions) {
  const extra = Object.keys(EXTRAS).find((name) => Object.hasOwn(Object(options) as object, name));
  if (extra !== undefined) {
    throw new SigraConfigError(extra, 'shapes the module itself; give it beside useFactory, not in what that returns');
  }
  const config = sigraSection.resolve('', options);
  if (options.leaks) assertReportable(config);
  return config;
}

/** Without reports, revoked tokens can be deleted at once. @throws SigraConfigError */
function assertReportable({ cleanup, leaks }: ReturnType<typeof sigraSection.resolve>): void {
  if (cleanup.revokedRetention >= leaks.rotatedWithin) return;
  throw new SigraConfigError(
    'cleanup.revokedRetention',
    `is shorter than leaks.rotatedWithin, for which a report has to find rotated tokens; make it at least ${leaks.rotatedWithin}`,
  );
}

function changeHook() {
  return callback<ChangeHook | undefined>({
    accepts: '`(change) => void`, or a promise',
    expected: 'a function of the change',
    default: none,
  });
}

function checkTrustedIssuers(path: string, value: unknown): TrustedIssuers {
  const { issuers, verify } = Object(value) as Partial<TrustedIssuers>;
  if (issuers instanceof Set && typeof verify === 'function') return value as TrustedIssuers;
  return rejectOption(path, 'the result of trustIssuers() of nestjs-sigra/issuers', value);
}

function checkSchedule(path: string, value: unknown): string | false {
  if (value === false || (typeof value === 'string' && isCron(value))) return value;
  return rejectOption(path, 'a cron expression such as "0 3 * * *", or false', value);
}

function isCron(value: string): boolean {
  try {
    new CronTime(value);
    return true;
  } catch {
    return false;
  }
}
