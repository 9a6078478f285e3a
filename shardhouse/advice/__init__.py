"""What would make an instance faster or smaller (docs/advice.md): pure rules over what logs and
servers say."""
