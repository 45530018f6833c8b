import { fileURLToPath } from 'node:url';
import { Injectable } from '@nestjs/common';
import { Eta } from 'eta';
import type { Notice } from '../sessions/session-data.js';
import type { User } from '../users/user.entity.js';
import { AssetFiles } from './asset-files.js';
import type { View } from './page.js';

/** What surrounds a page: who looks at it, from where, and what happened just before. */
export interface Surroundings {
  readonly path: string;
  readonly user?: User | undefined;
  readonly notice?: Notice | undefined;
}

/** Renders the templates of `views/`. Whatever they print is escaped, unless it is the output of another template. */
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
    return this.eta.render(template, { ...data, ...surroundings, title, asset });
  }
}
