/** The id that GitHub and npm give to a heading. */
export function githubSlug(heading: string): string;
