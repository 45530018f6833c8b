import type { Type } from '@nestjs/common';
import { DEFAULT_OWNER_TYPE } from '../common/principal.js';
import { callback, text } from './option-kinds.js';
import { required, section, type SpecsOf } from './option-section.js';
import { describeValue, none, option, rejectOption } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { OwnersOptions, UserProvider, UsersOptions } from './sigra-options.js';

export type UserSourceConfig =
  | { readonly kind: 'entity'; readonly entity: Type<object> }
  | { readonly kind: 'provider'; readonly provider: Type<UserProvider> | UserProvider };

/** The owners of one type: where they are, and which rules they have. */
export interface OwnerTypeConfig {
  readonly type: string;
  /** The path of their option, for messages. */
  readonly path: string;
  readonly source: UserSourceConfig;
  readonly idProperty: string;
  readonly isActive: (owner: object) => boolean;
  readonly scopes: ((owner: object) => readonly string[]) | undefined;
}

/** The audit trail has actors of these types besides owners. */
const OTHER_ACTORS: readonly string[] = ['system', 'anonymous', 'cli'];
const TYPE_FORM = '1 to 32 characters of a-z, 0-9 and _, beginning with a letter';
const sources = {
  entity: option({ accepts: 'entity class', default: none, check: checkEntity }),
  provider: option({ accepts: '`UserProvider`, or its class', default: none, check: checkProvider }),
};
const rules = {
  id: option({ accepts: 'name of a property', default: 'id', check: checkProperty }),
  isActive: callback<(user: object) => boolean>({
    accepts: '`(user) => boolean`',
    expected: 'a function',
    default: () => () => true,
  }),
  scopes: option({ accepts: '`(user) => scopes`', default: none, check: checkCeiling }),
};

export const usersSection = required(
  section(
    {
      ...sources,
      type: text({
        form: TYPE_FORM,
        accepts: '1 to 32 characters of `a-z`, `0-9`, `_`, beginning with a letter',
        matches: isOwnerType,
        default: DEFAULT_OWNER_TYPE,
      }),
      ...rules,
    } satisfies SpecsOf<UsersOptions<object>>,
    ({ entity, provider, id, ...rest }, path) => ({
      path,
      source: sourceOf(path, entity, provider),
      idProperty: id,
      ...rest,
    }),
  ),
  'give { entity: User } or { provider: MyUserProvider }',
);

const definition = section(
  { ...sources, ...rules } satisfies SpecsOf<OwnersOptions>,
  ({ entity, provider, id, ...rest }, path) => ({
    path,
    source: sourceOf(path, entity, provider),
    idProperty: id,
    ...rest,
  }),
);

/** The owners besides users, by type. */
export const ownersSection = {
  ...option({ accepts: 'object of owners, by type', default: none, check: checkOwners }),
  items: definition.options,
};

/**
 * All types of owners of the module, with the users first.
 *
 * @throws SigraConfigError when a type is that of the users
 */
export function ownerTypesOf(
  users: OwnerTypeConfig,
  owners: readonly OwnerTypeConfig[] = [],
): readonly [OwnerTypeConfig, ...OwnerTypeConfig[]] {
  const same = owners.find(({ type }) => type === users.type);
  if (same) throw new SigraConfigError(same.path, 'has the value of users.type; give these owners another type');
  return Object.freeze([users, ...owners] as const);
}

function checkOwners(path: string, value: unknown): readonly OwnerTypeConfig[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new SigraConfigError(
      path,
      'must be an object of owners by type; for example { organization: { entity: Organization } }',
    );
  }
  return Object.freeze(
    Object.entries(value).map(([type, owners]) => {
      if (!isOwnerType(type)) {
        throw new SigraConfigError(path, `has ${describeValue(type)}; a type is ${TYPE_FORM}`);
      }
      return Object.freeze({ type, ...definition.resolve(`${path}.${type}`, owners) });
    }),
  );
}

function isOwnerType(type: string): boolean {
  return /^[a-z][a-z0-9_]{0,31}$/.test(type) && !OTHER_ACTORS.includes(type);
}

function sourceOf(
  path: string,
  entity: Type<object> | undefined,
  provider: Type<UserProvider> | UserProvider | undefined,
): UserSourceConfig {
  if (entity && !provider) return Object.freeze({ kind: 'entity', entity });
  if (provider && !entity) return Object.freeze({ kind: 'provider', provider });
  throw new SigraConfigError(path, 'needs exactly one of entity and provider');
}

function checkProperty(path: string, value: unknown): string {
  return typeof value === 'string' && value !== ''
    ? value
    : rejectOption(path, 'the name of a property of the user', value);
}

function checkCeiling(path: string, value: unknown): (user: object) => readonly string[] {
  return typeof value === 'function'
    ? (value as (user: object) => readonly string[])
    : rejectOption(path, 'a function of the user that returns scopes', value);
}

function checkEntity(path: string, value: unknown): Type<object> {
  return typeof value === 'function' ? (value as Type<object>) : rejectOption(path, 'an entity class', value);
}

function checkProvider(path: string, value: unknown): Type<UserProvider> | UserProvider {
  const provider = value as Type<UserProvider> | UserProvider;
  if (typeof provider === 'function' || typeof (provider as Partial<UserProvider>).findByIds === 'function') {
    return provider;
  }
  throw new SigraConfigError(path, 'must be a class, or an object with a findByIds() method');
}
