import type { Type } from '@nestjs/common';
import { DEFAULT_OWNER_TYPE } from '../common/principal.js';
import { callback, text } from './option-kinds.js';
import { required, section, type SpecsOf } from './option-section.js';
import { none, option, rejectOption } from './option-spec.js';
import { SigraConfigError } from './sigra-config-error.js';
import type { UserProvider, UsersOptions } from './sigra-options.js';

export type UserSourceConfig =
  | { readonly kind: 'entity'; readonly entity: Type<object> }
  | { readonly kind: 'provider'; readonly provider: Type<UserProvider> | UserProvider };

/** The audit trail has actors of these types besides owners. */
const OTHER_ACTORS = ['system', 'anonymous', 'cli'];

export const usersSection = required(
  section(
    {
      entity: option({ accepts: 'entity class', default: none, check: checkEntity }),
      provider: option({ accepts: '`UserProvider`, or its class', default: none, check: checkProvider }),
      type: text({
        form: '1 to 32 characters of a-z, 0-9 and _, beginning with a letter',
        accepts: '1 to 32 characters of `a-z`, `0-9`, `_`, beginning with a letter',
        matches: (type) => /^[a-z][a-z0-9_]{0,31}$/.test(type) && !OTHER_ACTORS.includes(type),
        default: DEFAULT_OWNER_TYPE,
      }),
      id: option({ accepts: 'name of a property', default: 'id', check: checkProperty }),
      isActive: callback<(user: object) => boolean>({
        accepts: '`(user) => boolean`',
        expected: 'a function',
        default: () => () => true,
      }),
      scopes: option({ accepts: '`(user) => scopes`', default: none, check: checkCeiling }),
    } satisfies SpecsOf<UsersOptions<object>>,
    ({ entity, provider, id, ...rest }) => ({ source: sourceOf(entity, provider), idProperty: id, ...rest }),
  ),
  'give { entity: User } or { provider: MyUserProvider }',
);

function sourceOf(
  entity: Type<object> | undefined,
  provider: Type<UserProvider> | UserProvider | undefined,
): UserSourceConfig {
  if (entity && !provider) return Object.freeze({ kind: 'entity', entity });
  if (provider && !entity) return Object.freeze({ kind: 'provider', provider });
  throw new SigraConfigError('users', 'needs exactly one of entity and provider');
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
