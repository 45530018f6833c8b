/** The id that GitHub and npm give to a heading. The site uses the same ids, so that links with anchors work everywhere. */
export function githubSlug(heading) {
  return heading
    .trim()
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');
}
