import { Injectable } from '@nestjs/common';
import {
  ApiTokenService,
  Clock,
  type CreateApiToken,
  type IssuedApiToken,
  type OwnerReference,
  ownerRef,
  SigraError,
} from 'nestjs-sigra';
import { DataSource } from 'typeorm';
import { DEMO_ORGANIZATION, DEMO_USERS } from '../database/seed.js';
import { Organization } from '../organizations/organization.entities.js';
import { ORGANIZATION } from '../organizations/organizations.service.js';
import { Project } from '../projects/project.entity.js';
import { resourceOf } from '../projects/projects.service.js';
import { User } from '../users/user.entity.js';

const LIFETIME_MS = 30 * 24 * 60 * 60 * 1000;

/** The scopes of the guide's token: enough for all of its commands except the one that shows a refusal. */
const SCOPES = ['read:projects', 'write:projects', 'api_tokens:read', 'api_tokens:write'];
const READ = ['read:projects'];

export interface StartTokens {
  /** The raw token that the guide uses. */
  readonly demo: string;
  /** A token for the guide to revoke, and to use afterwards. */
  readonly spare: { readonly id: string; readonly rawToken: string };
  /** The raw token that reads only the project with this id. */
  readonly limited: { readonly projectId: string; readonly rawToken: string };
  /** The raw token of the organization. */
  readonly organization: string;
}

/** Issues the tokens that every start prints. */
@Injectable()
export class StartTokensService {
  constructor(
    private readonly dataSource: DataSource,
    private readonly tokens: ApiTokenService,
    private readonly clock: Clock,
  ) {}

  /**
   * Issues the tokens of this start, and revokes those of the previous start, so that they do not accumulate.
   *
   * @param instance identifies this demo: other demos on the same database keep their tokens
   */
  async issue(instance: string): Promise<StartTokens> {
    await this.revokeEarlier(instance);
    const { manager } = this.dataSource;
    const ada = await manager.findOneByOrFail(User, { email: DEMO_USERS[0].email });
    const { id: projectId } = await manager.findOneByOrFail(Project, {
      name: DEMO_USERS[0].projects[0],
      ownerId: ada.id,
    });
    const society = ownerRef(
      ORGANIZATION,
      await manager.findOneByOrFail(Organization, { name: DEMO_ORGANIZATION.name }),
    );

    const create = (owner: User | OwnerReference, request: CreateApiToken) => this.create(instance, owner, request);
    const demo = await create(ada, { name: 'Printed at start-up', scopes: SCOPES });
    const spare = await create(ada, { name: 'Revoke me', scopes: READ });
    const limited = await create(ada, { name: 'One project', scopes: READ, resources: [resourceOf(projectId)] });
    const organization = await create(society, { name: 'Printed at start-up', scopes: READ });
    return {
      demo: demo.rawToken,
      spare: { id: spare.token.id, rawToken: spare.rawToken },
      limited: { projectId, rawToken: limited.rawToken },
      organization: organization.rawToken,
    };
  }

  private async create(
    instance: string,
    owner: User | OwnerReference,
    request: CreateApiToken,
  ): Promise<IssuedApiToken> {
    const expiresAt = new Date(this.clock.now().getTime() + LIFETIME_MS);
    const issued = await this.tokens.create(owner, { ...request, expiresAt });
    await this.dataSource.query('INSERT INTO demo_start_tokens (token_id, instance) VALUES ($1, $2)', [
      issued.token.id,
      instance,
    ]);
    return issued;
  }

  private async revokeEarlier(instance: string): Promise<void> {
    const earlier = await this.dataSource.query<{ token_id: string }[]>(
      'SELECT token_id FROM demo_start_tokens WHERE instance = $1',
      [instance],
    );
    for (const { token_id: id } of earlier) {
      await this.tokens.revoke(id).catch(unlessGone);
      await this.dataSource.query('DELETE FROM demo_start_tokens WHERE token_id = $1', [id]);
    }
  }
}

/** Clean-up deletes old tokens, so a token of the previous start can be gone. */
function unlessGone(error: unknown): void {
  if (!(error instanceof SigraError) || error.code !== 'not_found') throw error;
}
