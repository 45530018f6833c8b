import type { Caller } from '../common/caller.js';
import {
  type AnyPrincipal,
  OwnerWithEntity,
  type Principal,
  type PrincipalToken,
  type Stamp,
  stamped,
} from '../common/principal.js';
import type { ResourceLimit } from '../common/resource-limit.js';
import { hashSecret } from '../common/secret.js';
import { isUuid } from '../common/uuid.js';
import type { VerifiedAccessToken } from '../jwt/access-token.verifier.js';
import type { OwnerState } from '../persistence/owner-state.reader.js';
import type { VerifiedApiToken } from '../tokens/api-token.verifier.js';

/** JSON and copies leave out the getter: the metadata of a token must not reach answers and logs by accident. */
export class WithToken {
  readonly #token: PrincipalToken;

  constructor(token: PrincipalToken) {
    this.#token = token;
  }

  get token(): PrincipalToken {
    return this.#token;
  }
}

/**
 * The principal of an API token.
 *
 * @param from where the token was presented
 * @param usersType `users.type`: owners of other types are not users
 */
export function ofApiToken(
  { token, user, tokenEpoch, familyEpoch }: VerifiedApiToken,
  from: Caller,
  usersType: string,
): AnyPrincipal {
  const { id: tokenId, ownerType: type, ownerId, scopes, kind, allowedIps, resources } = token;
  const owner = { type, id: ownerId };
  const facts = {
    owner: new OwnerWithEntity(owner, user),
    method: 'api_token',
    scopes,
    ...limitedTo(resources),
    tokenId,
    ...(kind !== null && { tokenKind: kind }),
  } as const;
  const members = type === usersType ? { user, userId: ownerId, ...facts } : facts;
  const principal: AnyPrincipal = Object.assign(new WithToken(token), members);
  return stamped(principal, { owner, tokenEpoch, familyEpoch, tokenId, allowedIps, from });
}

/**
 * The principal of an access token.
 *
 * @param credential the token itself
 * @param from where it was presented
 */
export function ofAccessToken(
  { claims, user, scopes, tokenEpoch }: VerifiedAccessToken,
  credential: string,
  from: Caller,
  type: string,
): Principal {
  const { sub: userId, sid: familyId, epoch, exp, api_token_id: tokenId, allowed_ips: allowedIps } = claims;
  const owner = { type, id: userId };
  const held = { method: 'jwt', scopes, ...limitedTo(claims.allowed_resources) } as const;
  if (tokenId !== undefined) {
    const epochs = { tokenEpoch: claims.api_token_epoch, familyEpoch: epoch ?? 0 };
    const principal: Principal = { user, userId, owner: new OwnerWithEntity(owner, user), ...held, tokenId };
    return stamped(principal, { owner, ...epochs, tokenId, allowedIps, from });
  }
  // A token that another service signs with the same key has no epoch, and its `sid` is not the id of a family here.
  const isOfFamily = epoch !== undefined && isUuid(familyId);
  const origin = isOfFamily ? { familyId } : { endsAt: new Date(exp * 1000), jwtHash: hashSecret(credential) };
  const principal: Principal = {
    user,
    userId,
    owner: new OwnerWithEntity(owner, user),
    ...held,
    ...(familyId !== undefined && { familyId }),
  };
  return stamped(principal, { owner, tokenEpoch, familyEpoch: epoch ?? 0, ...origin, allowedIps, from });
}

/** The principal of a credential that is not in the tables: its epochs are those with which the owner was read. */
export function ofOwner(
  user: object,
  { ownerId: userId, tokenEpoch, familyEpoch }: OwnerState,
  made: Pick<Principal, 'method' | 'scopes' | 'resources' | 'issuer' | 'credentialId'>,
  origin: Pick<Stamp, 'endsAt' | 'isLive' | 'jwtHash' | 'allowedIps'>,
  type: string,
): Principal {
  const owner = { type, id: userId };
  return stamped(
    { user, userId, owner: new OwnerWithEntity(owner, user), ...made },
    { owner, tokenEpoch, familyEpoch, ...origin },
  );
}

/** Missing for a credential that holds all resources. */
function limitedTo(resources: ResourceLimit | undefined): Pick<Principal, 'resources'> {
  return resources ? { resources } : {};
}
