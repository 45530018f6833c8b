import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';
import { Eta } from 'eta';
import type { Notice } from '../sessions/browser-session.js';
import type { User } from '../users/user.entity.js';
import { AssetFiles } from './asset-files.js';
import { LINKS } from './links.js';
import type { View } from './page.js';

/** The context of a page: its path, the user, and the notice of the previous request. */
export interface Surroundings {
  readonly path: string;
  readonly user?: User | undefined;
  readonly notice?: Notice | undefined;
}

/** Renders the templates of `views/`. They escape every value, except the output of other templates. */
@Injectable()
export class PageRenderer {
  private readonly eta = new Eta({
    views: fileURLToPath(new URL('../views', import.meta.url)),
    autoEscape: true,
    cache: true,
  });

  constructor(private readonly assets: AssetFiles) {}

  render({ template, title, data }: Pick<View, 'template' | 'title' | 'data'>, surroundings: Surroundings): string {
    const asset = (name: string) => this.assets.urlOf(name);
    return this.eta.render(template, { links: LINKS, ...data, ...surroundings, title, asset });
  }
}
