/** Keeps posts: operations STORE and READ of shared/documents.ts, with the answer `{"posts":[…]}`. */
import { Request, Response, Space, View } from 'jord';
import { handleDocuments } from '../../shared/documents';
import { utf8 } from '../../shared/text';

const POSTS = Space.open('social-posts');
const LIST_BEGIN: View = utf8('{"posts":[');
const LENGTH_USUAL: i32 = 1200;

export function handle(request: Request): Response {
  return handleDocuments(POSTS, request, LIST_BEGIN, LENGTH_USUAL);
}
