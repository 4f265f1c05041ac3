"""Who may do what: users, roles from one table, invitations, API tokens."""
