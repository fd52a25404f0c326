/** Keeps reviews: operations STORE and READ of shared/documents.ts, with the answer `{"reviews":[…]}`. */
import { Request, Response, Space, View } from 'jord';
import { handleDocuments } from '../../shared/documents';
import { utf8 } from '../../shared/text';

const REVIEWS = Space.open('media-reviews');
const LIST_BEGIN: View = utf8('{"reviews":[');
const LENGTH_USUAL: i32 = 500;

export function handle(request: Request): Response {
  return handleDocuments(REVIEWS, request, LIST_BEGIN, LENGTH_USUAL);
}
