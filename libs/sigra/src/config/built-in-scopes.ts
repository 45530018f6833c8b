import type { ScopeOptions } from './sigra-options.js';

/** The scopes that every application has: for Sigra's own resources and the user's profile. */
export const BUILT_IN_SCOPES = [
  { name: 'profile:read', title: 'Read the profile' },
  { name: 'profile:write', title: 'Change the profile' },
  { name: 'sessions:read', title: 'List sign-ins' },
  { name: 'sessions:write', title: 'End sign-ins', danger: true },
  { name: 'api_tokens:read', title: 'List API tokens' },
  { name: 'api_tokens:write', title: 'Create, change, rotate and revoke API tokens', danger: true },
] as const satisfies readonly ScopeOptions[];

/** The scope of administrators, who the option `admin` names. `*` and `api_tokens:*` grant it, too. */
export const BUILT_IN_SCOPES_WITH_ADMIN = [
  { name: 'api_tokens:admin', title: 'Search and revoke the API tokens of all owners', danger: true },
] as const satisfies readonly ScopeOptions[];

/** The scopes of the OAuth endpoints, which need JWTs. */
export const BUILT_IN_SCOPES_WITH_JWT = [
  { name: 'oauth:introspect', title: 'Ask whether tokens are active' },
] as const satisfies readonly ScopeOptions[];
