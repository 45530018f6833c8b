import { Get, NotFoundException, UseGuards } from '@nestjs/common';
import { ApiTokenService, CurrentUser, ownerRef, SessionAuthGuard } from 'nestjs-sigra';
import { ORGANIZATION, OrganizationsService } from '../organizations/organizations.service.js';
import type { User } from '../users/user.entity.js';
import { PageController } from './page-controller.decorator.js';
import { view, type View } from './page.js';

/** The scopes that a token of an organization can use: its routes are those with `@AllowOwners()`. */
const SCOPES: readonly string[] = ['read:projects', 'write:projects'];
/** The largest page of the token service, by default. */
const MOST_TOKENS = 200;

/** The tokens of the user's organization. Members see them; owners manage them with `<sigra-tokens>`. */
@PageController('organization')
@UseGuards(SessionAuthGuard)
export class OrganizationController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly tokens: ApiTokenService,
  ) {}

  @Get()
  async show(@CurrentUser() user: User): Promise<View> {
    const membership = await this.organizations.of(user);
    if (!membership) throw new NotFoundException('You belong to no organization.');
    const { organization, role } = membership;
    const owner = ownerRef(ORGANIZATION, organization);
    const { tokens } = await this.tokens.listActive(owner, { limit: MOST_TOKENS, order: 'newest' });
    const members = await this.organizations.members(organization);
    return view('organization', organization.name, {
      members,
      tokens,
      isOwner: role === 'owner',
      base: `/api/tokens/owners/${ORGANIZATION}/${organization.id}`,
      hiddenScopes: this.tokens.listScopes().filter((scope) => !SCOPES.includes(scope)),
    });
  }
}
