import { build, type Child } from './build.js';
import { ExpiryField } from './expiry-field.js';
import { Field, optionalLabel } from './field.js';
import { ScopeField } from './scope-field.js';
import type { Kind, TokenChoices } from './token.js';
import type { ViewContext } from './view-context.js';

/** The fields of a new token. */
export class TokenForm {
  readonly contents: readonly Child[];
  readonly fields: readonly Field[];
  private readonly name: Field<HTMLInputElement>;
  private readonly description: Field<HTMLTextAreaElement>;
  private readonly kind: Field<HTMLSelectElement>;
  private readonly scopes: ScopeField;
  private readonly expiry: ExpiryField;
  private readonly allowedIps: Field<HTMLInputElement>;
  private readonly resources: Field<HTMLInputElement>;

  constructor(
    private readonly context: ViewContext,
    private readonly choices: TokenChoices,
  ) {
    const { say } = context;
    const optional = (label: string) => optionalLabel(label, say('optional'));
    this.name = new Field(nameInput(say('namePlaceholder')), 'name', say('name'));
    this.description = new Field(descriptionInput(), 'description', optional(say('description')));
    const names = choices.kinds.flatMap(({ name }) => name ?? []);
    const kinds = build(
      'select',
      { onchange: () => this.offer() },
      ...names.map((each) => build('option', { value: each }, each)),
    );
    this.kind = new Field(kinds, 'kind', say('kind'));
    this.scopes = new ScopeField(choices.catalogue, say);
    this.expiry = new ExpiryField(context);
    this.allowedIps = new Field(
      listInput('192.0.2.7, 2001:db8::/32'),
      'allowed-ips',
      say('allowedIps'),
      say('allowedIpsHint'),
    );
    this.resources = new Field(listInput(''), 'resources', say('resources'), say('resourcesHint'));
    this.contents = [
      this.name.element,
      this.description.element,
      names.length > 1 && this.kind.element,
      this.scopes.element,
      this.expiry.element,
      build(
        'details',
        { part: 'restrictions' },
        build('summary', {}, optional(say('restrictions'))),
        this.allowedIps.element,
        this.resources.element,
      ),
    ];
    const { preset, day } = this.expiry;
    this.fields = [this.name, this.description, this.kind, this.scopes, preset, day, this.allowedIps, this.resources];
    this.offer();
  }

  /** The first field. */
  get first(): HTMLElement {
    return this.name.control;
  }

  check(): void {
    const { say } = this.context;
    if (this.name.control.value.trim() === '') this.name.fail(say('nameRequired'));
    if (this.scopes.chosen.length === 0) this.scopes.fail(say('scopesRequired'));
    this.expiry.check();
  }

  /** The body of the request. */
  get body(): object {
    const { name: kind } = this.chosenKind;
    return {
      name: this.name.control.value,
      scopes: this.scopes.chosen,
      expiresAt: this.expiry.expiresAt?.toISOString() ?? null,
      ...(kind !== null && { kind }),
      ...textOf('description', this.description),
      ...listOf('allowedIps', this.allowedIps),
      ...listOf('resources', this.resources),
    };
  }

  /** Which field an error of the API belongs to. */
  readonly fieldOf = (code: string): Field | undefined => {
    switch (code) {
      case 'name_required':
      case 'name_too_long':
      case 'invalid_name':
        return this.name;
      case 'description_too_long':
      case 'invalid_description':
        return this.description;
      case 'kind_required':
      case 'invalid_kind':
      case 'kind_not_allowed':
        return this.kind.element.isConnected ? this.kind : undefined;
      case 'scopes_required':
      case 'invalid_scope_format':
      case 'unregistered_scopes':
      case 'insufficient_scope':
        return this.scopes;
      case 'expiry_required':
      case 'expiry_in_past':
      case 'invalid_expiry':
      case 'ttl_exceeded':
        return this.expiry.visible;
      case 'invalid_allowed_ips':
        return this.allowedIps;
      case 'invalid_resources':
      case 'resource_not_allowed':
        return this.resources;
      default:
        return undefined;
    }
  };

  private get chosenKind(): Kind {
    const { kinds } = this.choices;
    const { value } = this.kind.control;
    return kinds.find(({ name }) => name === value) ?? kinds[0] ?? ANY_KIND;
  }

  private offer(): void {
    this.scopes.offer(this.chosenKind);
    this.expiry.offer(this.chosenKind);
  }
}

const ANY_KIND: Kind = { name: null, scopes: null, ownerTypes: null, requireExpiry: false, maxTtl: null };

export function nameInput(placeholder: string, value = ''): HTMLInputElement {
  return build('input', { autocomplete: 'off', maxlength: '255', required: true, placeholder, value });
}

export function descriptionInput(text = ''): HTMLTextAreaElement {
  return build('textarea', { maxlength: '1000', rows: '2' }, text);
}

function listInput(placeholder: string): HTMLInputElement {
  return build('input', { autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', placeholder });
}

function textOf(name: string, { control }: Field<HTMLTextAreaElement>): object {
  return control.value === '' ? {} : { [name]: control.value };
}

/** An empty list is left out: it would not be the same as no limit. */
function listOf(name: string, { control }: Field<HTMLInputElement>): object {
  const items = control.value.split(/[\s,]+/).filter((item) => item !== '');
  return items.length === 0 ? {} : { [name]: items };
}
