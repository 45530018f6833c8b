/** The page with new sections between its markers `<!-- api: ENTRY/GROUP -->` and `<!-- /api -->`. */
export function apiPage(page: string): Promise<string>;
