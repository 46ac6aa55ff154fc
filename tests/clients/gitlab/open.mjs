// Opens a merge request by GitLab's typed client, so that ours can be held against what that sends.
import { Gitlab } from "@gitbeaker/rest";

const gitlab = new Gitlab({ host: process.env.GITLAB_HOST, token: process.env.GITLAB_TOKEN });
const opened = await gitlab.MergeRequests.create("me/shop", "berth/typed", "main", "Draft: A title", {
  description: "A text",
  labels: "bug,good first issue",
  reviewerIds: [3],
});
console.log(opened.iid);
