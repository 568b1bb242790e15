"""What happens when somebody asks, somebody decides, or time passes."""
