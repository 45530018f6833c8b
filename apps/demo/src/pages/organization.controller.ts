import { randomUUID } from 'node:crypto';
import { Body, ForbiddenException, Get, Headers, NotFoundException, Param, Post, UseGuards } from '@nestjs/common';
import {
  ApiTokenService,
  type Caller,
  CurrentCaller,
  CurrentUser,
  type IssuedApiToken,
  ownerRef,
  SessionAuthGuard,
  SigraError,
} from 'nestjs-sigra';
import { type Membership, ORGANIZATION, OrganizationsService } from '../organizations/organizations.service.js';
import { CurrentSession, type SessionHolder } from '../sessions/browser-session.js';
import type { User } from '../users/user.entity.js';
import { curl } from '../welcome/first-steps.js';
import { type FormBody, textOf, textsOf } from './form-fields.js';
import { PageController } from './page-controller.decorator.js';
import { type Page, seeOther, view, type View } from './page.js';

/** The scopes that a token of an organization can use: its routes are those with `@AllowOwners()`. */
const SCOPES = ['read:projects', 'write:projects'] as const;
/** The largest page of the token service, by default. */
const MOST_TOKENS = 200;

interface FormState {
  readonly issued?: IssuedApiToken;
  readonly error?: string;
}

/** The tokens of the user's organization. Members see them; owners create and revoke them. */
@PageController('organization')
@UseGuards(SessionAuthGuard)
export class OrganizationController {
  constructor(
    private readonly organizations: OrganizationsService,
    private readonly tokens: ApiTokenService,
  ) {}

  @Get()
  async show(@CurrentUser() user: User, @Headers('host') host: string): Promise<View> {
    return this.listView(await this.membershipOf(user), host);
  }

  @Post('tokens')
  async create(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @Headers('host') host: string,
    @Body() form: FormBody,
  ): Promise<View> {
    const membership = await this.ownershipOf(user);
    const request = {
      name: textOf(form, 'name'),
      scopes: textsOf(form, 'scopes'),
      idempotencyKey: textOf(form, 'key'),
    };
    try {
      // With the key, a form that is sent again creates no second token.
      const issued = await this.tokens.create(referenceTo(membership), request, caller);
      return await this.listView(membership, host, { issued });
    } catch (error) {
      if (!(error instanceof SigraError) || error.getStatus() >= 500) throw error;
      return this.listView(membership, host, { error: error.message });
    }
  }

  @Post('tokens/:id/revoke')
  async revoke(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @CurrentSession() session: SessionHolder,
    @Param('id') id: string,
  ): Promise<Page> {
    const { name } = await this.tokens.revokeForUser(referenceTo(await this.ownershipOf(user)), id, caller);
    session.current.notice = { kind: 'done', text: `“${name}” is revoked. Requests with it are refused from now on.` };
    return seeOther('/organization');
  }

  private async listView(membership: Membership, host: string, { issued, error }: FormState = {}): Promise<View> {
    const { organization, role } = membership;
    const { tokens } = await this.tokens.listActive(referenceTo(membership), { limit: MOST_TOKENS });
    const members = await this.organizations.members(organization);
    const data = {
      organization,
      members,
      tokens,
      makers: new Map(members.map(({ id, email }) => [id, email])),
      isOwner: role === 'owner',
      issued,
      error,
      key: randomUUID(),
      scopes: SCOPES,
      command: curl(`http://${host}/api/projects -H 'Authorization: Bearer ${issued?.rawToken ?? '$TOKEN'}'`),
    };
    return view('organization', organization.name, data, error === undefined ? 200 : 422);
  }

  private async membershipOf(user: User): Promise<Membership> {
    const membership = await this.organizations.of(user);
    if (!membership) throw new NotFoundException('You belong to no organization.');
    return membership;
  }

  private async ownershipOf(user: User): Promise<Membership> {
    const membership = await this.membershipOf(user);
    if (membership.role !== 'owner') throw new ForbiddenException('Only owners of the organization manage its tokens.');
    return membership;
  }
}

const referenceTo = ({ organization }: Membership) => ownerRef(ORGANIZATION, organization);
