"""The process: settings, composition, schedule, command line."""
