/** How the caller proved who it is. */
export type AuthMethod = 'session' | 'api_token' | 'jwt';

/**
 * Who makes a request, and what the credential allows.
 *
 * @typeParam User the host's user type
 */
export interface Principal<User extends object = object> {
  /** As read for this request; with a JWT and `check: 'stateless'` nothing but the id. */
  readonly user: User;
  /** The user's id as text, as stored in `sigra_api_tokens.user_id`. */
  readonly userId: string;
  readonly method: AuthMethod;
  /** What the credential may do: of the token or JWT, or `session.scopes`. */
  readonly scopes: readonly string[];
  /** The API token that was presented, when `method` is `api_token`. */
  readonly tokenId?: string;
  /** The sign-in that a JWT belongs to, when `method` is `jwt`. */
  readonly familyId?: string;
}
