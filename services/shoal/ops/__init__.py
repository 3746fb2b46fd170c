"""The operator's commands: report, doctor, routes, cost; and Ansible's inventory."""
