"""A local Slack workspace, so that anybody can try Postroom without an account."""
