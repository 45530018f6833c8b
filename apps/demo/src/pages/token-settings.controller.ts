import { Body, Get, Param, Post, Query, UseGuards } from '@nestjs/common';
import {
  ApiTokenService,
  type Caller,
  Clock,
  CurrentCaller,
  CurrentUser,
  type IssuedApiToken,
  SessionAuthGuard,
  SigraError,
  SigraJwtService,
} from 'nestjs-sigra';
import { CurrentSession, type SessionHolder } from '../sessions/browser-session.js';
import type { User } from '../users/user.entity.js';
import { type FormBody, textOf } from './form-fields.js';
import { OwnTokensService } from './own-tokens.service.js';
import { PageController } from './page-controller.decorator.js';
import { type Page, seeOther, view, type View } from './page.js';
import { HOME } from './return-path.js';
import { scopeChoices } from './scope-choices.js';
import { SentFormsService } from './sent-forms.service.js';
import {
  checkTokenForm,
  EMPTY_TOKEN_FORM,
  EXPIRY_CHOICES,
  fieldErrors,
  GRACE_CHOICES,
  parseGrace,
  parseTokenForm,
  type TokenForm,
  type TokenFormErrors,
} from './token-forms.js';

const PAGE_SIZE = 10;
/** The default of `jwt.maxFamiliesPerOwner`: the page shows all devices. */
const MOST_FAMILIES = 100;

/** The state of the token page, beside the list of tokens. */
interface ListState {
  readonly cursor?: string | undefined;
  readonly form?: TokenForm;
  readonly errors?: TokenFormErrors;
  /** Only in the answer to the form that created it. */
  readonly issued?: IssuedApiToken;
}

/** The pages on which people manage their API tokens. Sessions only: a form does not check the scopes of a token. */
@PageController('settings/tokens')
@UseGuards(SessionAuthGuard)
export class TokenSettingsController {
  constructor(
    private readonly tokens: ApiTokenService,
    private readonly ownTokens: OwnTokensService,
    private readonly forms: SentFormsService,
    private readonly jwt: SigraJwtService,
    private readonly clock: Clock,
  ) {}

  @Get()
  list(@CurrentUser() user: User, @CurrentCaller() caller: Caller, @Query('cursor') cursor?: string): Promise<View> {
    return this.listView(user, caller, { cursor });
  }

  @Post()
  async create(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @CurrentSession() session: SessionHolder,
    @Body() body: FormBody,
  ): Promise<Page> {
    if (!(await this.forms.claim(textOf(body, 'mark')))) {
      session.current.notice = {
        kind: 'failed',
        text: 'That form was already sent, so it created no second token. Fill it in again to create another.',
      };
      return seeOther(HOME);
    }
    const form = parseTokenForm(body);
    const checked = checkTokenForm(form, this.offeredTo(user), this.clock.now());
    if ('errors' in checked) return this.listView(user, caller, { form, errors: checked.errors });
    try {
      const issued = await this.tokens.create(user, checked.request, caller);
      return await this.listView(user, caller, { issued });
    } catch (error) {
      const errors = fieldErrors(error);
      if (!errors) throw error;
      return this.listView(user, caller, { form, errors });
    }
  }

  @Get('revoke-all')
  confirmRevokeAll(): Page {
    return view('revoke-all', 'Revoke all tokens');
  }

  @Post('revoke-all')
  async revokeAll(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @CurrentSession() session: SessionHolder,
  ): Promise<Page> {
    const count = await this.tokens.revokeAll(user, caller);
    const text = count === 1 ? 'One token is revoked.' : `${count} tokens are revoked.`;
    session.current.notice = { kind: 'done', text: `${text} Requests with them are refused from now on.` };
    return seeOther(HOME);
  }

  @Get(':id/revoke')
  async confirmRevoke(@CurrentUser() user: User, @Param('id') id: string): Promise<Page> {
    return view('revoke', 'Revoke a token', { token: await this.ownTokens.findActive(user, id) });
  }

  @Post(':id/revoke')
  async revoke(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @CurrentSession() session: SessionHolder,
    @Param('id') id: string,
  ): Promise<Page> {
    const { name } = await this.tokens.revokeForUser(user, id, caller);
    session.current.notice = { kind: 'done', text: `“${name}” is revoked. Requests with it are refused from now on.` };
    return seeOther(HOME);
  }

  @Get(':id/rotate')
  async confirmRotate(@CurrentUser() user: User, @Param('id') id: string): Promise<Page> {
    const token = await this.ownTokens.findActive(user, id);
    return view('rotate', 'Rotate a token', { token, graceChoices: GRACE_CHOICES });
  }

  @Post(':id/rotate')
  async rotate(
    @CurrentUser() user: User,
    @CurrentCaller() caller: Caller,
    @CurrentSession() session: SessionHolder,
    @Param('id') id: string,
    @Body() body: FormBody,
  ): Promise<Page> {
    const graceSeconds = parseGrace(textOf(body, 'grace'));
    try {
      const issued = await this.tokens.rotateForUser(user, id, { graceSeconds }, caller);
      return await this.listView(user, caller, { issued });
    } catch (error) {
      // A token has only one successor, so a form that is sent again fails.
      if (!(error instanceof SigraError) || error.code !== 'token_revoked') throw error;
      session.current.notice = { kind: 'failed', text: error.message };
      return seeOther(HOME);
    }
  }

  private async listView(user: User, caller: Caller, { cursor, form, errors = {}, issued }: ListState): Promise<View> {
    const page = await this.tokens.listActive(user, { limit: PAGE_SIZE, cursor }, caller);
    const { families } = await this.jwt.listFamilies(user, { limit: MOST_FAMILIES }, caller);
    const failed = Object.keys(errors).length > 0;
    const data = {
      ...page,
      families,
      cursor,
      issued,
      form: form ?? EMPTY_TOKEN_FORM,
      errors,
      failed,
      mark: this.forms.mark(),
      scopeChoices: scopeChoices(this.tokens.scopeCatalogue(), user),
      expiryChoices: EXPIRY_CHOICES,
    };
    return view('tokens', 'API tokens', data, failed ? 422 : 200);
  }

  private offeredTo(user: User): string[] {
    const { used, unused } = scopeChoices(this.tokens.scopeCatalogue(), user);
    return [...used, ...unused].map(({ name }) => name);
  }
}
