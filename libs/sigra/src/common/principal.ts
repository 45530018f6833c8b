/** How the principal was authenticated. */
export type AuthMethod = 'session' | 'api_token' | 'jwt';

/**
 * Who makes a request, and what the credential allows.
 *
 * @typeParam User the host's user type
 */
export interface Principal<User extends object = object> {
  /** The user, read for this request. With a JWT and `check: 'stateless'`, an object with only the id. */
  readonly user: User;
  /** The user's id as a string, as stored in `sigra_api_tokens.user_id`. */
  readonly userId: string;
  readonly method: AuthMethod;
  /** The scopes of the token or JWT; for a session, `session.scopes`. */
  readonly scopes: readonly string[];
  /** The id of the API token, when `method` is `api_token`. */
  readonly tokenId?: string;
  /** The id of the JWT's refresh family, when `method` is `jwt`. */
  readonly familyId?: string;
}
